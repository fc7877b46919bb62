"""A task is not started after its deadline, whichever way it comes to its worker, and says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards, DeadlinePassed, Retry, State, Task
from afterwards.events import Event, TaskEnded, TaskStarted
from afterwards.how import How, call_options
from afterwards.testing import inline
from tests.rooms.builders import until

MINUTE = timedelta(minutes=1)
GO = "go"
KIND = "afterwards.errors.DeadlinePassed"

seen: list[str] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'deadlines.db'}", lease=timedelta(hours=1))


async def work() -> None:
    seen.append("worked")


async def wait_for_it() -> None:
    seen.append("waits")
    while GO not in seen:
        await asyncio.sleep(0.01)


async def fail() -> None:
    seen.append("failed")
    raise KeyError("no such user")


def let_time_pass(afterwards: Afterwards, how_long: timedelta) -> None:
    store = afterwards.house.store
    store.clock_offset = how_long  # type: ignore[attr-defined]  # of the stores that tests may advance


def is_too_late(task: Task) -> bool:
    return task.state is State.FAILED and task.error is not None and task.error.kind == KIND


@pytest.mark.parametrize("how", [{"deadline": 60}, {"deadline": MINUTE}], ids=repr)
async def test_a_task_that_waited_too_long_fails_and_is_not_started(afterwards: Afterwards, how: How) -> None:
    heard: list[Event] = []
    afterwards.hear(heard.append, TaskStarted, TaskEnded)
    async with afterwards.opened():
        late, in_time = await afterwards.using(**how).add(work), await afterwards.using(deadline=90).add(work)
        let_time_pass(afterwards, timedelta(seconds=75))
        await afterwards.drain()
        task = await afterwards.get(late.id)
        assert is_too_late(task)
        assert "it was not started before its deadline" in str(task.error)
        assert (await afterwards.get(in_time.id)).state is State.DONE
    assert seen == ["worked"]
    assert sum(isinstance(event, TaskStarted) for event in heard) == 1
    assert sum(isinstance(event, TaskEnded) for event in heard) == 2


async def test_a_deadline_at_an_instant(afterwards: Afterwards) -> None:
    now = datetime.now(UTC)
    async with afterwards.opened(worker=True):
        late = (await afterwards.using(deadline=now - timedelta(seconds=5)).add(work)).id
        in_time = (await afterwards.using(deadline=now + MINUTE).add(work)).id
        assert is_too_late(await afterwards.wait(late, timeout=10))
        assert (await afterwards.wait(in_time, timeout=10)).state is State.DONE


async def test_a_retry_by_hand_does_not_move_the_deadline(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        task_id = (await afterwards.using(deadline=MINUTE).add(work)).id
        let_time_pass(afterwards, 2 * MINUTE)
        await afterwards.drain()
        assert (await afterwards.retry(task_id)).state is State.WAITING
        await afterwards.drain()
        assert is_too_late(await afterwards.get(task_id))
    assert seen == []


async def test_a_response_that_takes_too_long(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        await asyncio.wait_for(_until_a_worker_is_there(afterwards), 10)
        batch = afterwards.house.batch()
        late = batch.add(work, (), {}, call_options({"deadline": 0.2})).id
        in_time = batch.add(work, (), {}, call_options({"deadline": 60, "ordered": False})).id
        await batch.commit()
        await asyncio.sleep(0.4)  # that time passes is what is tested
        assert (await afterwards.get(late)).state is State.RUNNING, "it was not handed to the worker"
        await batch.release()
        assert is_too_late(await afterwards.wait(late, timeout=10))
        assert (await afterwards.wait(in_time, timeout=10)).state is State.DONE


async def _until_a_worker_is_there(afterwards: Afterwards) -> None:
    while not await afterwards.house.store.workers():
        await asyncio.sleep(0.01)


async def test_a_task_that_was_held_for_too_long(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        batch = afterwards.house.batch()
        first = batch.add(wait_for_it, (), {}, call_options({})).id
        second = batch.add(work, (), {}, call_options({"deadline": MINUTE})).id
        third = batch.add(work, (), {}, call_options({})).id
        await batch.commit()
        await batch.release()
        await until(lambda: seen)
        let_time_pass(afterwards, 2 * MINUTE)
        seen.append(GO)
        tasks = [await afterwards.wait(task_id, timeout=10) for task_id in (first, second, third)]
    assert [task.state for task in tasks] == [State.DONE, State.FAILED, State.DONE]
    assert is_too_late(tasks[1])
    assert seen == ["waits", GO, "worked"]


async def test_a_task_that_would_be_tried_again_too_late_says_what_it_failed_with(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        retry = Retry(attempts=5, first=120.0, jitter=0.0)
        task_id = (await afterwards.using(deadline=MINUTE, retry=retry).add(fail)).id
        await afterwards.drain()
        assert (await afterwards.get(task_id)).state is State.WAITING
        let_time_pass(afterwards, 3 * MINUTE)
        await afterwards.drain()
        task = await afterwards.get(task_id)
    assert is_too_late(task)
    assert "Its last error was KeyError: 'no such user'" in str(task.error)
    assert seen == ["failed"]


async def test_a_task_that_has_begun_may_end_after_its_deadline(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.using(deadline=MINUTE).add(wait_for_it)).id
        await until(lambda: seen)
        let_time_pass(afterwards, 2 * MINUTE)
        seen.append(GO)
        assert (await afterwards.wait(task_id, timeout=10)).state is State.DONE


async def test_inline_runs_have_deadlines_too(afterwards: Afterwards) -> None:
    with inline(afterwards), pytest.raises(DeadlinePassed):
        await afterwards.using(deadline=datetime.now(UTC) - MINUTE).add(work)
    assert seen == []


@pytest.mark.parametrize("nonsense", [0, -1, float("inf"), "tomorrow", True], ids=repr)
def test_nonsense_is_refused(afterwards: Afterwards, nonsense: object) -> None:
    with pytest.raises(ValueError, match="deadline"):
        afterwards.using(deadline=nonsense)  # type: ignore[arg-type]  # that is what is tested
