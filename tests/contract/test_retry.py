"""A person's retry."""

from __future__ import annotations

import pytest

from afterwards.ids import new_id
from afterwards.outcomes import Ending
from afterwards.tasks import State, WorkerId
from tests.contract.builders import (
    HOUR,
    TimedStore,
    a_call,
    a_running_task,
    claim_all,
    crash,
    outcome,
    the_task,
)


@pytest.mark.parametrize("ending", [Ending.DONE, Ending.FAILED, Ending.CANCELLED])
async def test_an_ended_task_waits_again_with_everything_counted_anew(
    store: TimedStore, worker: WorkerId, ending: Ending
):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, ending, result="1")])
    store.clock_offset += HOUR
    assert await store.retry([running.id]) == [running.id]
    task = await the_task(store, running.id)
    assert (task.state, task.attempt, task.crashes, task.run) == (State.WAITING, 0, 0, 1)
    assert (task.ended, task.started, task.error, task.returned) == (None, None, None, None)
    assert task.due > running.due
    [again] = await claim_all(store, worker)
    assert (again.run, again.attempt) == (2, 1)


async def test_a_poisoned_task_is_no_suspect_any_more(store: TimedStore, worker: WorkerId):
    call = a_call(crashes=1)
    await store.add([call])
    await crash(store, call.id)
    await store.retry([call.id])
    [task] = await claim_all(store, worker, suspects=False)
    assert (task.id, task.crashes, task.suspect) == (call.id, 0, False)


async def test_unfinished_and_unknown_tasks_are_left_as_they_are(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    waiting = a_call(delay=HOUR)
    await store.add([waiting])
    before = await the_task(store, waiting.id)
    assert await store.retry([running.id, waiting.id, new_id()]) == []
    assert await the_task(store, running.id) == running
    assert await the_task(store, waiting.id) == before


async def test_only_those_that_changed_are_told(store: TimedStore, worker: WorkerId):
    running, failed = await a_running_task(store, worker), await a_running_task(store, worker)
    await store.settle([outcome(failed.claim, Ending.FAILED)])
    assert await store.retry([running.id, failed.id, failed.id]) == [failed.id]


async def test_a_stale_outcome_of_the_run_before_does_not_touch_the_retried_task(store: TimedStore, worker: WorkerId):
    first = await a_running_task(store, worker)
    await store.settle([outcome(first.claim, Ending.FAILED)])
    await store.retry([first.id])
    await claim_all(store, worker)
    second = await the_task(store, first.id)
    assert (await store.settle([outcome(first.claim, Ending.DONE)])).held == []
    assert await the_task(store, first.id) == second


async def test_a_retried_task_holds_nobody_back(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.FAILED)])
    await store.retry([running.id])
    call = a_call(after=running.id)
    await store.add([call])
    assert (await the_task(store, call.id)).held is None


async def test_a_cancelled_run_that_is_retried_is_not_asked_to_stop(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.cancel([running.id])
    await store.settle([outcome(running.claim, Ending.CANCELLED)])
    await store.retry([running.id])
    await claim_all(store, worker)
    assert await store.cancellations(worker) == []
