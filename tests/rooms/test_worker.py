"""The worker on a real store, in this process: what it does with names, cancellations, suspects and lost leases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from afterwards import Afterwards, Again, Retry, State, Stop, Task, current_task
from afterwards.events import Event, LeaseWasLost, ResultsDropped, TasksRescued, WorkerStarted, WorkerStopped
from afterwards.tasks import WorkerCard, WorkerId
from tests.rooms import late_arrival

seen: list[object] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", retry=Retry(first=0.01), lease=1.0, grace=0.2)


async def note(what: object) -> None:
    seen.append(what)


async def sleep_for_ever(name: str) -> None:
    seen.append(f"{name} began")
    try:
        await asyncio.Event().wait()
    finally:
        seen.append(f"{name} cleaned up")


async def swallow_the_first_cancellation(name: str) -> None:
    seen.append(f"{name} began")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        seen.append(f"{name} was asked")
    await asyncio.Event().wait()


def sleep_in_thread(seconds: float) -> None:
    seen.append("thread began")
    time.sleep(seconds)
    seen.append("thread ended")


async def fail_until(attempt: int) -> None:
    seen.append(current_task().attempt)
    if current_task().attempt < attempt:
        raise ValueError(f"attempt {current_task().attempt}")


async def again_twice() -> None:
    seen.append((current_task().attempt, current_task().run))
    if current_task().run < 3:
        raise Again(after=0.01)


async def give_up() -> None:
    raise Stop("the account is closed")


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


async def ended(afterwards: Afterwards, task_id: UUID) -> Task:
    return await afterwards.wait(task_id, timeout=20)


async def test_a_failing_task_is_tried_again_until_it_succeeds(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task = await ended(afterwards, (await afterwards.add(fail_until, 3)).id)
    assert (task.state, task.attempt, seen) == (State.DONE, 3, [1, 2, 3])


async def test_a_task_fails_for_good_after_its_last_attempt_and_keeps_the_error(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task = await ended(afterwards, (await afterwards.add(fail_until, 99)).id)
    assert (task.state, task.attempt) == (State.FAILED, 5)
    assert task.error is not None
    assert (task.error.kind, task.error.message) == ("ValueError", "attempt 5")
    assert "fail_until" in task.error.traceback


async def test_again_spends_no_attempt_and_stop_gives_up(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        again = await ended(afterwards, (await afterwards.add(again_twice)).id)
        stopped = await ended(afterwards, (await afterwards.add(give_up)).id)
    assert (again.state, seen) == (State.DONE, [(1, 1), (1, 2), (1, 3)])
    assert (stopped.state, stopped.attempt, str(stopped.error)) == (State.FAILED, 1, "the account is closed")


async def test_a_person_can_retry_what_has_failed(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        failed = await ended(afterwards, (await afterwards.using(retry=Retry.never).add(fail_until, 2)).id)
        assert failed.state is State.FAILED
        await afterwards.retry(failed.id)
        again = await ended(afterwards, failed.id)
    assert (again.attempt, again.run, seen) == (1, 2, [1, 1])


async def test_a_running_task_is_cancelled_within_a_second_and_cleans_up(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(sleep_for_ever, "it")).id
        await until(lambda: seen == ["it began"])
        await afterwards.cancel(task_id)
        task = await ended(afterwards, task_id)
    assert (task.state, seen) == (State.CANCELLED, ["it began", "it cleaned up"])


async def test_a_thread_cannot_be_cancelled_and_its_result_stands(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(sleep_in_thread, 1.0)).id
        await until(lambda: seen == ["thread began"])
        await afterwards.cancel(task_id)
        assert (await ended(afterwards, task_id)).state is State.DONE


async def test_a_task_that_shrugs_off_a_cancellation_is_asked_again_at_the_stop(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(swallow_the_first_cancellation, "it")).id
        await until(lambda: seen == ["it began"])
    assert seen == ["it began", "it was asked"]
    async with afterwards.opened():
        assert (await afterwards.get(task_id)).state is State.WAITING


async def test_an_unknown_name_waits_without_an_attempt_until_a_worker_knows_it(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def arrive(number: int) -> None:
        late_arrival.ran.append(number)

    arrive.__module__, arrive.__qualname__ = late_arrival.__name__, "arrive"
    late_arrival.ran.clear()
    monkeypatch.setattr(late_arrival, "arrive", arrive, raising=False)
    async with afterwards.opened():
        task_id = (await afterwards.add(arrive, 1)).id
    monkeypatch.delattr(late_arrival, "arrive")
    fresh = Afterwards(url=afterwards.house.settings.url)
    async with fresh.opened(worker=True):
        await until_unknown(fresh, task_id)
        monkeypatch.setattr(late_arrival, "arrive", arrive, raising=False)
    another = Afterwards(url=afterwards.house.settings.url)
    async with another.opened(worker=True):
        task = await ended(another, task_id)
    assert (task.state, task.attempt, late_arrival.ran) == (State.DONE, 1, [1])


async def until_unknown(afterwards: Afterwards, task_id: UUID) -> None:
    async with asyncio.timeout(10):
        while (await afterwards.get(task_id)).held != "unknown":
            await asyncio.sleep(0.01)
    task = await afterwards.get(task_id)
    assert (task.state, task.attempt) == (State.WAITING, 0)
    assert task.error is not None
    assert "arrive" in task.error.message


async def test_a_worker_that_was_believed_dead_drops_its_work_and_signs_on_anew(afterwards: Afterwards) -> None:
    heard: list[Event] = []
    afterwards.hear(heard.append)
    store = afterwards.house.store
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(sleep_for_ever, "it")).id
        await until(lambda: seen == ["it began"])
        [card] = await store.workers()
        await store.rescue(known_dead=[card.id], expired=False, limit=10)
        await until(lambda: seen.count("it began") == 2)
        assert (await afterwards.get(task_id)).run == 2
        [again] = await store.workers()
        assert again.id != card.id
    kinds = [type(event) for event in heard]
    assert kinds.count(WorkerStarted) == 2
    assert kinds.count(LeaseWasLost) == kinds.count(WorkerStopped) == 1
    assert ResultsDropped not in kinds, "an interrupted run has no result"


async def test_the_tasks_of_a_worker_whose_lease_ran_out_are_rescued(afterwards: Afterwards) -> None:
    """A worker of another host, of which nothing is heard any more."""
    heard: list[Event] = []
    store = afterwards.house.store
    async with afterwards.opened():
        gone = WorkerId("gone")
        lease = timedelta(seconds=0.5)
        await store.sign_on(WorkerCard(id=gone, host="elsewhere", pid=1, label="elsewhere", lease=lease))
        task_id = (await afterwards.add(note, "rescued")).id
        [claimed] = await store.claim(gone, limit=1, suspects=True)
        assert claimed.id == task_id
        afterwards.hear(heard.append)
    async with afterwards.opened(worker=True):
        task = await ended(afterwards, task_id)
    assert (task.state, task.run, task.crashes, task.attempt) == (State.DONE, 2, 1, 1)
    [rescued] = [event for event in heard if isinstance(event, TasksRescued)]
    assert [task.id for task in rescued.tasks] == [task_id]


async def test_paused_queues_wait(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        await afterwards.pause("mail")
        waiting = (await afterwards.using(queue="mail").add(note, "mail")).id
        await ended(afterwards, (await afterwards.add(note, "other")).id)
        assert (await afterwards.get(waiting)).state is State.WAITING
        await afterwards.resume("mail")
        await ended(afterwards, waiting)
    assert seen == ["other", "mail"]


async def test_a_worker_serves_its_own_queues_only(tmp_path: Path) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", queues=["mail"])
    async with afterwards.opened(worker=True):
        left = (await afterwards.add(note, "default")).id
        await ended(afterwards, (await afterwards.using(queue="mail").add(note, "mail")).id)
        assert (await afterwards.get(left)).state is State.WAITING
    assert seen == ["mail"]


async def test_a_delayed_task_starts_when_it_is_due(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        added = await afterwards.using(delay=0.3).add(note, "late")
        task = await ended(afterwards, added.id)
    assert task.started is not None
    assert task.started - task.added >= timedelta(seconds=0.29)


async def test_more_tasks_than_places_all_run(tmp_path: Path) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", concurrency=3)
    async with afterwards.opened(worker=True):
        for number in range(100):
            await afterwards.add(note, number)
        await afterwards.drain()
    assert sorted(map(str, seen)) == sorted(map(str, range(100)))
