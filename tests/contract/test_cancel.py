"""Cancelling."""

from __future__ import annotations

from afterwards.ids import new_id
from afterwards.outcomes import Ending, done
from afterwards.tasks import Hold, State, WorkerId
from tests.contract.builders import (
    HOUR,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    outcome,
    sign_on,
    the_task,
)


async def test_a_waiting_task_is_cancelled_at_once(store: TimedStore, worker: WorkerId):
    call = a_call()
    await store.add([call])
    assert await store.cancel([call.id]) == [call.id]
    task = await the_task(store, call.id)
    assert task.state is State.CANCELLED
    assert task.ended is not None
    assert await claim_all(store, worker) == []


async def test_a_delayed_or_held_task_is_cancelled_at_once(store: TimedStore):
    delayed, (head, held) = a_call(delay=HOUR), a_line(2)
    await store.add([delayed, head, held])
    assert await store.cancel([delayed.id, held.id]) == [delayed.id, held.id]
    assert (await the_task(store, delayed.id)).state is State.CANCELLED
    task = await the_task(store, held.id)
    assert (task.state, task.held) == (State.CANCELLED, None)


async def test_a_running_task_is_asked_to_stop(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    assert await store.cancel([running.id]) == [running.id]
    task = await the_task(store, running.id)
    assert (task.state, task.stop_asked) == (State.RUNNING, True)
    assert await store.cancellations(worker) == [running.claim]


async def test_only_the_worker_that_runs_it_is_told(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    running = await a_running_task(store, other)
    await a_running_task(store, worker)
    await store.cancel([running.id])
    assert await store.cancellations(worker) == []
    assert await store.cancellations(other) == [running.claim]


async def test_nobody_is_told_any_more_when_the_run_has_ended(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.cancel([running.id])
    await store.settle([outcome(running.claim, Ending.CANCELLED)])
    assert await store.cancellations(worker) == []


async def test_asking_twice_changes_nothing_more(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.cancel([running.id])
    assert await store.cancel([running.id]) == []


async def test_ended_and_unknown_tasks_are_left_as_they_are(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([done(running.claim)])
    before = await the_task(store, running.id)
    assert await store.cancel([running.id, new_id()]) == []
    assert await the_task(store, running.id) == before


async def test_whichever_of_a_line_are_cancelled_at_once_the_others_stay_in_line(store: TimedStore):
    for number in range(1, 32):
        line = a_line(5)
        await store.add(line)
        chosen = [call.id for place, call in enumerate(line) if number >> place & 1]
        assert await store.cancel(chosen) == chosen
        left = [call.id for call in line if call.id not in chosen]
        tasks = [await the_task(store, id) for id in left]
        formers = [task.after if task.held is Hold.AFTER else None for task in tasks]
        assert formers == [None, *left[:-1]][: len(left)], f"{number:05b}"
