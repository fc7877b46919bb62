"""Who asked for it is told when a task has failed for good, once, whatever that failure was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards, Failure, Retry, State, Stop, Task, hooks
from afterwards.events import HookFailed
from afterwards.tasks import WorkerId
from tests.contract.builders import sign_on
from tests.rooms.builders import until

AT_ONCE = Retry(attempts=2, first=0.0, jitter=0.0)

told: list[tuple[Task, Failure]] = []
seen: list[str] = []
let_go = threading.Event()


@pytest.fixture(autouse=True)
def nothing_told() -> Iterator[None]:
    told.clear()
    seen.clear()
    let_go.clear()
    yield
    let_go.set()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    made = Afterwards(url=f"sqlite:///{tmp_path / 'hooks.db'}", retry=AT_ONCE, grace=0.1)
    made.on_failure(listen)
    return made


async def listen(task: Task, error: Failure) -> None:
    told.append((task, error))


def listen_in_a_thread(task: Task, error: Failure) -> None:
    seen.append(f"{threading.current_thread() is threading.main_thread()} {error.message}")


async def wait_for_ever(task: Task, error: Failure) -> None:
    seen.append("hook waits")
    await asyncio.sleep(3600)


async def fail() -> None:
    raise ValueError("no such user")


async def stop() -> None:
    raise Stop("closed")


async def work() -> None: ...


async def succeed_at_last() -> None:
    seen.append("tried")
    if len(seen) == 1:
        raise ValueError("not yet")


def block() -> None:
    let_go.wait(60)


async def test_it_is_called_once_and_with_the_task_as_it_is_then(afterwards: Afterwards) -> None:
    afterwards.on_failure(listen_in_a_thread)
    async with afterwards.opened(worker=True):
        task = await afterwards.wait((await afterwards.add(fail)).id, timeout=10)
        [(heard, error)] = told
        assert (heard.id, heard.state, heard.attempt, heard.error) == (task.id, State.FAILED, 2, error)
        assert error == task.error
        assert seen == ["False no such user"]


async def test_nothing_is_said_of_tasks_that_go_well_in_the_end(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        for function in (work, succeed_at_last):
            assert (await afterwards.wait((await afterwards.add(function)).id, timeout=10)).state is State.DONE
    assert told == []


async def test_every_way_to_fail_is_told(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        ids = [
            (await afterwards.add(stop)).id,
            (await afterwards.using(timeout=0.05, retry=Retry.never).add(wait_without_end)).id,
            (await afterwards.using(timeout=0.05, retry=Retry.never).add(block)).id,
        ]
        tasks = [await afterwards.wait(task_id, timeout=10) for task_id in ids]
        await until(lambda: len(told) == 3)
        let_go.set()
    assert sorted((task.id, error) for task, error in told) == sorted((task.id, task.error) for task in tasks)


async def wait_without_end() -> None:
    await asyncio.sleep(3600)


async def test_a_thread_that_ends_later_is_not_told_again(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=0.05, retry=Retry.never).add(block)).id
        await afterwards.wait(task_id, timeout=10)
        let_go.set()
        assert (await afterwards.wait((await afterwards.add(fail)).id, timeout=10)).state is State.FAILED
        await until(lambda: len(told) == 2)
    assert [task.id == task_id for task, _ in told] == [True, False]


async def test_poison_is_told(afterwards: Afterwards) -> None:
    store = afterwards.house.store
    async with afterwards.opened():
        task_id = (await afterwards.using(retry=Retry(crashes=1)).add(work)).id
        casualty = await sign_on(store, "casualty", lease=timedelta(0))
        await store.claim(WorkerId(casualty), limit=1, suspects=True)
    async with afterwards.opened(worker=True):
        await until(lambda: told)
        task = await afterwards.get(task_id)
    assert [(heard.id, heard.state, error) for heard, error in told] == [(task_id, State.FAILED, task.error)]


async def test_what_a_hook_raises_or_how_long_it_takes_harms_nobody(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "LONGEST", 0.1)
    heard: list[HookFailed] = []
    afterwards.hear(lambda event: heard.append(event) if isinstance(event, HookFailed) else None)

    @afterwards.on_failure
    async def raises(task: Task, error: Failure) -> None:
        raise KeyError("in the hook")

    @afterwards.on_failure
    def exits(task: Task, error: Failure) -> None:
        raise SystemExit(3)

    afterwards.on_failure(wait_for_ever)
    afterwards.on_failure(listen_in_a_thread)
    async with afterwards.opened(worker=True):
        assert (await afterwards.wait((await afterwards.add(fail)).id, timeout=10)).state is State.FAILED
        assert (await afterwards.wait((await afterwards.add(work)).id, timeout=10)).state is State.DONE
    assert [type(event.error) for event in heard] == [KeyError, SystemExit, TimeoutError]
    assert seen == ["hook waits", "False no such user"]


async def test_a_stop_or_a_cancellation_while_a_hook_runs_changes_nothing(afterwards: Afterwards) -> None:
    afterwards.on_failure(wait_for_ever)
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(retry=Retry.never).add(fail)).id
        await until(lambda: seen)
        await afterwards.cancel(task_id)
    async with afterwards.opened():
        task = await afterwards.get(task_id)
    assert (task.state, task.attempt, len(told)) == (State.FAILED, 1, 1)


def test_what_cannot_be_called_is_refused(afterwards: Afterwards) -> None:
    with pytest.raises(ValueError, match="on_failure takes a function"):
        afterwards.on_failure("mail me")  # type: ignore[type-var]  # that is what is tested
