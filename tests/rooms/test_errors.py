"""Nothing that a task or a store does ends the worker, and a stop costs no task an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from afterwards import Afterwards, Again, Retry, State, runs
from afterwards.events import Event, LoopFailed, TaskEnded, TaskResists
from afterwards.options import CallOptions
from afterwards.outcomes import Ending

seen: list[str] = []
let_go = asyncio.Event()


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()
    let_go.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'errors.db'}", retry=Retry.never, grace=0.1)


class LaterError(Again):
    """An Again that never called its own __init__."""

    def __init__(self) -> None:
        pass


class BrokenAgainError(Again):
    """One whose delay cannot even be read."""

    @property
    def after(self) -> object:  # type: ignore[override]  # that is what is broken
        raise RuntimeError("broken")

    def __init__(self) -> None:
        pass


async def later() -> None:
    seen.append("later")
    if len(seen) < 2:
        raise LaterError


async def broken() -> None:
    raise BrokenAgainError


async def good() -> None:
    seen.append("good")


async def turns_the_cancellation_into_another_error() -> None:
    seen.append("began")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ConnectionError("closed while in use") from None


async def resists() -> None:
    seen.append("began")
    while not let_go.is_set():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("shrugged")
            if len(seen) > 4:
                let_go.set()


async def cancels_itself() -> None:
    seen.append("began")
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await asyncio.sleep(60)


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


async def test_an_again_without_a_delay_is_tried_again(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task = await afterwards.wait((await afterwards.add(later)).id, timeout=10)
    assert (task.state, seen) == (State.DONE, ["later", "later"])


async def test_an_error_whose_own_code_is_broken_ends_its_task_alone(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task = await afterwards.wait((await afterwards.add(broken)).id, timeout=10)
        assert (await afterwards.wait((await afterwards.add(good)).id, timeout=10)).state is State.DONE
    assert task.state is State.FAILED


async def test_a_settling_that_fails_in_any_way_is_tried_again(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Event] = []
    afterwards.hear(heard.append, LoopFailed)
    store = afterwards.house.store
    settle = store.settle

    async def fails_once(outcomes: Sequence[object], **options: object) -> object:
        monkeypatch.setattr(store, "settle", settle)
        raise RuntimeError("unheard of")

    async with afterwards.opened(worker=True):
        monkeypatch.setattr(store, "settle", fails_once)
        task = await afterwards.wait((await afterwards.add(good)).id, timeout=10)
    assert (task.state, seen) == (State.DONE, ["good"])
    assert [event.loop for event in heard if isinstance(event, LoopFailed)] == ["settle"]


async def test_a_claiming_that_fails_in_any_way_is_tried_again(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Event] = []
    afterwards.hear(heard.append, LoopFailed)
    store = afterwards.house.store
    claim = store.claim

    async def fails_once(*positional: object, **options: object) -> object:
        monkeypatch.setattr(store, "claim", claim)
        raise RuntimeError("unheard of")

    monkeypatch.setattr(store, "claim", fails_once)
    async with afterwards.opened():
        task_id = (await afterwards.add(good)).id
    async with afterwards.opened(worker=True):
        assert (await afterwards.wait(task_id, timeout=10)).state is State.DONE
    assert [event.loop for event in heard if isinstance(event, LoopFailed)] == ["claim"]


async def test_a_stop_gives_back_what_turns_its_cancellation_into_an_error(afterwards: Afterwards) -> None:
    heard: list[TaskEnded] = []
    afterwards.hear(lambda event: heard.append(event) if isinstance(event, TaskEnded) else None)
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(turns_the_cancellation_into_another_error)).id
        await until(lambda: seen)
    async with afterwards.opened():
        task = await afterwards.get(task_id)
    assert (task.state, task.attempt, task.error) == (State.WAITING, 0, None)
    assert [event.outcome.ending for event in heard] == [Ending.RETURNED]


async def test_a_cancelled_task_that_fails_on_its_way_out_is_cancelled(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(turns_the_cancellation_into_another_error)).id
        await until(lambda: seen)
        await afterwards.cancel(task_id)
        assert (await afterwards.wait(task_id, timeout=10)).state is State.CANCELLED


async def test_a_task_that_cancels_itself_has_failed_and_its_follower_runs(afterwards: Afterwards) -> None:
    batch = afterwards.house.batch()
    first = batch.add(cancels_itself, (), {}, CallOptions())
    second = batch.add(good, (), {}, CallOptions())
    async with afterwards.opened(worker=True):
        await batch.commit()
        await batch.release()
        assert (await afterwards.wait(second.id, timeout=10)).state is State.DONE
        task = await afterwards.get(first.id)
    assert (task.state, task.attempt, seen) == (State.FAILED, 1, ["began", "good"])
    assert task.error is not None
    assert task.error.message == "the task cancelled itself"


async def test_a_task_that_resists_is_named_and_costs_nothing_when_its_process_is_killed(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[TaskResists] = []
    monkeypatch.setattr(runs, "_CANCEL_AGAIN", 0.05)
    afterwards.hear(lambda event: heard.append(event) if isinstance(event, TaskResists) else None)
    worker = afterwards.house.new_worker()
    running = asyncio.ensure_future(worker.run())
    task_id = (await afterwards.add(resists)).id
    await until(lambda: seen)
    worker.stop()
    await until(lambda: worker.leaving)
    assert [event.task.id for event in heard] == [task_id]
    store = afterwards.house.store
    [card] = await store.workers()
    assert card.leaving
    await store.rescue(known_dead=[card.id], expired=False, limit=10)  # as another process does after a kill
    task = await afterwards.get(task_id)
    assert (task.state, task.attempt, task.crashes) == (State.WAITING, 0, 0)
    let_go.set()
    running.cancel()
    await asyncio.wait([running])
    await afterwards.house.close()
