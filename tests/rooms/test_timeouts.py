"""A run ends at its timeout: an async one is cancelled, one in a thread is recorded, and its next try waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends

from afterwards import SOLVED, Afterwards, Again, Retry, State, Stop, Task, TimedOut, timeouts
from afterwards.events import Event, TaskEnded, TaskOverruns, TaskStarted
from afterwards.outcomes import Ending
from afterwards.testing import inline
from tests.rooms.builders import threads_named, until

SHORT, LONG = 0.1, 60.0
KIND = "afterwards.errors.TimedOut"
AT_ONCE = Retry(attempts=2, first=0.0, jitter=0.0)

seen: list[str] = []
let_go = threading.Event()


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    seen.clear()
    let_go.clear()
    yield
    let_go.set()  # no thread outlives its test


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'timeouts.db'}", retry=Retry.never, grace=0.1, threads=1)


@pytest.fixture
def heard(afterwards: Afterwards) -> list[Event]:
    events: list[Event] = []
    afterwards.hear(events.append, TaskStarted, TaskEnded, TaskOverruns)
    return events


def overruns(heard: list[Event]) -> int:
    return sum(isinstance(event, TaskOverruns) for event in heard)


def started(heard: list[Event]) -> int:
    return sum(isinstance(event, TaskStarted) for event in heard)


def endings(heard: list[Event]) -> list[Ending]:
    return [event.outcome.ending for event in heard if isinstance(event, TaskEnded)]


def timed_out(task: Task) -> bool:
    return task.state is State.FAILED and task.error is not None and task.error.kind == KIND


async def sleeps() -> None:
    seen.append("began")
    try:
        await asyncio.sleep(LONG)
    finally:
        await asyncio.sleep(0)
        seen.append("cleaned up")


async def swallows() -> None:
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        seen.append("swallowed")


async def fails_on_its_way_out() -> None:
    try:
        await asyncio.sleep(LONG)
    finally:
        raise KeyError("on the way out")


async def stops_on_its_way_out() -> None:
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        raise Stop("no more of this") from None


async def asks_for_another_try() -> None:
    if seen:
        return
    seen.append("asked")
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        raise Again(after=0) from None


async def times_out_by_itself() -> None:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(LONG)


async def resists() -> None:
    while not let_go.is_set():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            seen.append("resisted")


def blocks() -> str:
    seen.append("began")
    let_go.wait(LONG)
    seen.append("ended")
    return "late"


def quick() -> None:
    seen.append("quick")


async def quick_async() -> None:
    seen.append("quick")


def plain_wrapper() -> object:
    return sleeps()


# In the event loop


@pytest.mark.parametrize("function", [sleeps, plain_wrapper])
async def test_an_async_task_is_cancelled_and_its_cleanup_runs(afterwards: Afterwards, function: object) -> None:
    async with afterwards.opened(worker=True):
        added = await afterwards.using(timeout=SHORT).add(function)  # type: ignore[arg-type]  # one of several
        task = await afterwards.wait(added.id, timeout=10)
    assert timed_out(task)
    assert task.error is not None
    assert task.error.message == "it was still running after its timeout of 0.1 s"
    assert "await asyncio.sleep(LONG)" in task.error.traceback, "it says where it was"
    assert seen == ["began", "cleaned up"]


@pytest.mark.parametrize("function", [swallows, fails_on_its_way_out])
async def test_whatever_comes_after_the_timeout_is_a_timeout(afterwards: Afterwards, function: object) -> None:
    async with afterwards.opened(worker=True):
        added = await afterwards.using(timeout=SHORT).add(function)  # type: ignore[arg-type]  # one of several
        assert timed_out(await afterwards.wait(added.id, timeout=10))


async def test_a_task_that_says_itself_what_follows_is_heard(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        using = afterwards.using(timeout=SHORT, retry=AT_ONCE)
        stopped, asked = await using.add(stops_on_its_way_out), await using.add(asks_for_another_try)
        task = await afterwards.wait(stopped.id, timeout=10)
        assert (task.state, str(task.error), task.attempt) == (State.FAILED, "no more of this", 1)
        task = await afterwards.wait(asked.id, timeout=10)
        assert (task.state, task.attempt) == (State.DONE, 1)


async def test_a_timeout_of_the_tasks_own_is_its_own_error(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=LONG).add(times_out_by_itself)).id
        task = await afterwards.wait(task_id, timeout=10)
    assert (task.state, task.error and task.error.kind) == (State.FAILED, "TimeoutError")


async def test_a_task_that_is_quick_enough_is_done(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        for function in (quick, quick_async):
            task_id = (await afterwards.using(timeout=LONG).add(function)).id
            assert (await afterwards.wait(task_id, timeout=10)).state is State.DONE


async def test_the_policy_decides_about_a_timeout(afterwards: Afterwards) -> None:
    named = Retry(attempts=3, first=0.0, jitter=0.0, unless=(TimedOut,))
    async with afterwards.opened(worker=True):
        tried = (await afterwards.using(timeout=SHORT, retry=AT_ONCE).add(sleeps)).id
        spared = (await afterwards.using(timeout=SHORT, retry=named).add(sleeps)).id
        assert [(await afterwards.wait(task_id, timeout=10)).attempt for task_id in (tried, spared)] == [2, 1]


async def test_the_calls_timeout_wins_over_the_functions(afterwards: Afterwards) -> None:
    @afterwards.task(timeout=timedelta(milliseconds=100), name="of_its_function")
    async def of_its_function(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async with afterwards.opened(worker=True):
        short = (await afterwards.add(of_its_function, LONG)).id
        long = (await afterwards.using(timeout=LONG).add(of_its_function, 0.3)).id
        assert timed_out(await afterwards.wait(short, timeout=10))
        assert (await afterwards.wait(long, timeout=10)).state is State.DONE


async def test_a_cancelled_task_is_cancelled_though_it_has_a_timeout(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=LONG).add(sleeps)).id
        await until(lambda: seen)
        await afterwards.cancel(task_id)
        assert (await afterwards.wait(task_id, timeout=10)).state is State.CANCELLED


async def test_a_stop_gives_a_task_with_a_timeout_back(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=LONG).add(sleeps)).id
        await until(lambda: seen)
    async with afterwards.opened():
        task = await afterwards.get(task_id)
    assert (task.state, task.attempt) == (State.WAITING, 0)


async def test_one_that_swallows_its_cancellation_and_goes_on_is_named(
    afterwards: Afterwards, heard: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "_PATIENCE", 0.05)
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=SHORT, retry=AT_ONCE).add(resists)).id
        await until(lambda: overruns(heard))
        assert (await afterwards.get(task_id)).attempt == 1, "its next try waits for it"
        let_go.set()
        task = await afterwards.wait(task_id, timeout=10)
    assert (task.state, task.attempt, seen) == (State.DONE, 2, ["resisted"])


async def test_one_that_is_not_to_be_tried_again_has_failed_as_soon_as_it_is_named(
    afterwards: Afterwards, heard: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "_PATIENCE", 0.05)
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=SHORT).add(resists)).id
        assert timed_out(await afterwards.wait(task_id, timeout=10))
        assert not let_go.is_set()
        let_go.set()
        await until(lambda: len(seen) == 1)
    assert endings(heard) == [Ending.FAILED]


# In threads


async def test_a_task_in_a_thread_is_recorded_and_its_late_end_settles_nothing(
    afterwards: Afterwards, heard: list[Event]
) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=SHORT).add(blocks)).id
        task = await afterwards.wait(task_id, timeout=10)
        assert (timed_out(task), seen, overruns(heard)) == (True, ["began"], 1)
        next_id = (await afterwards.add(quick)).id
        await until(lambda: started(heard) == 2)
        assert (await afterwards.get(next_id)).state is State.RUNNING, "the only thread is not free"
        let_go.set()
        assert (await afterwards.wait(next_id, timeout=10)).state is State.DONE
        assert await afterwards.get(task_id) == task
    assert (seen, endings(heard)) == (["began", "ended", "quick"], [Ending.FAILED, Ending.DONE])


async def test_the_next_try_waits_for_the_thread(afterwards: Afterwards, heard: list[Event]) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=SHORT, retry=AT_ONCE).add(blocks)).id
        await until(lambda: overruns(heard))
        assert (await afterwards.get(task_id)).state is State.RUNNING
        assert seen == ["began"]
        let_go.set()
        task = await afterwards.wait(task_id, timeout=10)
    assert (task.state, task.attempt) == (State.DONE, 2)
    assert endings(heard) == [Ending.RETRIED, Ending.DONE]


async def test_the_wait_for_a_thread_does_not_count(afterwards: Afterwards, heard: list[Event]) -> None:
    async with afterwards.opened(worker=True):
        first = (await afterwards.add(blocks)).id
        await until(lambda: seen)
        second = (await afterwards.using(timeout=SHORT).add(quick)).id
        await until(lambda: started(heard) == 2)
        await asyncio.sleep(2 * SHORT)  # that it lasts longer than the timeout is what is tested
        let_go.set()
        for task_id in (first, second):
            assert (await afterwards.wait(task_id, timeout=10)).state is State.DONE


async def test_at_a_stop_a_thread_after_its_timeout_stays_claimed(afterwards: Afterwards, heard: list[Event]) -> None:
    worker = afterwards.house.new_worker()
    running = asyncio.ensure_future(worker.run())
    task_id = (await afterwards.using(timeout=SHORT, retry=AT_ONCE).add(blocks)).id
    await until(lambda: overruns(heard))
    worker.stop()
    await asyncio.wait_for(running, 10)
    assert worker.leaving
    task = await afterwards.get(task_id)
    assert (task.state, task.attempt, task.crashes) == (State.RUNNING, 1, 0)
    [card] = await afterwards.house.store.workers()
    assert card.leaving
    await afterwards.house.store.rescue(known_dead=[card.id], expired=False, limit=10)
    task = await afterwards.get(task_id)
    assert (task.state, task.attempt, task.crashes) == (State.WAITING, 0, 0)
    let_go.set()
    await until(lambda: "ended" in seen and not threads_named(f"afterwards-keeper-{card.id[:8]}"))
    await afterwards.house.close()


# Dependencies


async def torn_down() -> AsyncGenerator[str]:
    try:
        yield "solved"
    except TimedOut:
        seen.append("torn down by TimedOut")
        raise


async def depends(what: Annotated[str, Depends(torn_down)] = SOLVED) -> None:
    await asyncio.sleep(LONG)


def slow_to_solve() -> str:
    let_go.wait(LONG)
    return "late"


async def depends_on_slow(what: Annotated[str, Depends(slow_to_solve)] = SOLVED) -> None:
    seen.append("called all the same")


async def never_solved() -> str:
    await asyncio.sleep(LONG)
    return "never"


def depends_on_never(what: Annotated[str, Depends(never_solved)] = SOLVED) -> None:
    seen.append("called all the same")


async def test_what_a_task_depends_on_sees_the_timeout(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(timeout=SHORT).add(depends)).id
        assert timed_out(await afterwards.wait(task_id, timeout=10))
    assert seen == ["torn down by TimedOut"]


@pytest.mark.parametrize("function", [depends_on_slow, depends_on_never])
async def test_solving_counts_and_nothing_is_called_after_the_timeout(afterwards: Afterwards, function: object) -> None:
    async with afterwards.opened(worker=True):
        added = await afterwards.using(timeout=SHORT).add(function)  # type: ignore[arg-type]  # one of several
        assert timed_out(await afterwards.wait(added.id, timeout=10))
        let_go.set()
    assert seen == []


# Elsewhere


async def test_a_blocked_loop_ends_a_task_late_and_not_wrongly(afterwards: Afterwards) -> None:
    async def blocked() -> None:
        time.sleep(2 * SHORT)  # noqa: ASYNC251  # in the loop, so that the timer cannot ring

    afterwards.task(name="blocked", timeout=SHORT)(blocked)
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(blocked)).id
        assert (await afterwards.wait(task_id, timeout=10)).state is State.DONE


async def test_inline_runs_time_out_too(afterwards: Afterwards) -> None:
    with inline(afterwards), pytest.raises(TimedOut):
        await afterwards.using(timeout=SHORT).add(sleeps)


@pytest.mark.parametrize("nonsense", [0, -1, float("nan"), "30", True, timedelta(0)], ids=repr)
def test_nonsense_is_refused(afterwards: Afterwards, nonsense: object) -> None:
    with pytest.raises(ValueError, match="timeout"):
        afterwards.using(timeout=nonsense)  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(ValueError, match="timeout"):
        afterwards.task(timeout=nonsense)  # type: ignore[arg-type]  # that is what is tested
