"""Forgetting what ended long ago."""

from __future__ import annotations

from datetime import timedelta

import pytest

from afterwards.outcomes import Ending
from afterwards.tasks import Search, WorkerId
from tests.contract.builders import (
    HOUR,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    end_all,
    ids_of,
    outcome,
    some_calls,
)

DAY = timedelta(days=1)


@pytest.mark.parametrize("ending", [Ending.DONE, Ending.FAILED, Ending.CANCELLED])
async def test_what_ended_longer_ago_goes(store: TimedStore, worker: WorkerId, ending: Ending):
    task = await a_running_task(store, worker)
    await store.settle([outcome(task.claim, ending)])
    store.clock_offset += DAY + HOUR
    assert await store.prune(older_than=DAY, limit=10) == 1
    assert await store.find(Search(), limit=10) == []


async def test_what_ended_later_stays(store: TimedStore, worker: WorkerId):
    await end_all(store, [await a_running_task(store, worker)])
    store.clock_offset += DAY - HOUR
    assert await store.prune(older_than=DAY, limit=10) == 0
    assert len(await store.find(Search(), limit=10)) == 1


async def test_no_unfinished_task_ever_goes(store: TimedStore, worker: WorkerId):
    await a_running_task(store, worker)
    tried = await a_running_task(store, worker)
    await store.settle([outcome(tried.claim, Ending.RETRIED, delay=HOUR)])
    strange = await a_running_task(store, worker)
    await store.settle([outcome(strange.claim, Ending.UNKNOWN)])
    await store.add([*a_line(2), a_call(delay=1000 * DAY)])
    store.clock_offset += 365 * DAY
    assert await store.prune(older_than=timedelta(0), limit=100) == 0
    assert len(await store.find(Search(), limit=10)) == 6


async def test_a_task_that_was_retried_is_unfinished(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await end_all(store, [task])
    await store.retry([task.id])
    store.clock_offset += 365 * DAY
    assert await store.prune(older_than=DAY, limit=100) == 0


async def test_a_limit_bounds_one_call_and_the_oldest_go_first(store: TimedStore, worker: WorkerId):
    calls = some_calls(5)
    await store.add(calls)
    for _ in calls:
        await end_all(store, await claim_all(store, worker, limit=1))
        store.clock_offset += HOUR
    store.clock_offset += DAY
    assert await store.prune(older_than=DAY, limit=2) == 2
    assert ids_of(await store.find(Search(), limit=10)) == ids_of(calls[:1:-1])
    assert await store.prune(older_than=DAY, limit=10) == 3
