"""How many tasks ended lately."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterwards.outcomes import Ending
from afterwards.tasks import TaskId, WorkerId
from tests.contract.builders import EVERYTHING, HOUR, MINUTE, TimedStore, a_call, a_running_task, outcome


async def some_ended(
    store: TimedStore, worker: WorkerId, count: int, ending: Ending = Ending.DONE, queue: str = "default"
) -> list[TaskId]:
    """So many that end in one moment."""
    tasks = [await a_running_task(store, worker, queue=queue) for _ in range(count)]
    await store.settle([outcome(task.claim, ending, delay=HOUR) for task in tasks])
    return [task.id for task in tasks]


async def test_in_an_empty_store_nothing_ended(store: TimedStore):
    store.clock_offset += timedelta(days=2)
    lately = await store.throughput(within=MINUTE, limit=EVERYTHING)
    assert (dict(lately.by_queue), lately.length) == ({}, MINUTE)
    assert abs(lately.now - datetime.now(UTC) - timedelta(days=2)) < timedelta(seconds=30)


async def test_what_was_done_or_has_failed_is_counted_by_queue(store: TimedStore, worker: WorkerId):
    await some_ended(store, worker, 3)
    await some_ended(store, worker, 2, Ending.FAILED)
    await some_ended(store, worker, 1, Ending.FAILED, queue='"odd" é\n')
    for ending in (Ending.CANCELLED, Ending.RETRIED, Ending.AGAIN, Ending.RETURNED):
        await some_ended(store, worker, 1, ending, queue="mail")
    await store.add([a_call(queue="waits")])
    await a_running_task(store, worker, queue="runs")
    lately = await store.throughput(within=MINUTE, limit=EVERYTHING)
    assert lately.by_queue == {"default": 5, '"odd" é\n': 1}
    assert [lately.of(queue) for queue in ("default", "waits")] == [5, 0]


async def test_what_ended_longer_ago_is_not(store: TimedStore, worker: WorkerId):
    await some_ended(store, worker, 3)
    store.clock_offset += MINUTE
    await some_ended(store, worker, 2)
    assert (await store.throughput(within=MINUTE, limit=EVERYTHING)).by_queue == {"default": 2}
    assert (await store.throughput(within=2 * MINUTE, limit=EVERYTHING)).by_queue == {"default": 5}


async def test_where_more_ended_than_it_looks_at_the_time_is_shorter_and_none_is_missing(
    store: TimedStore, worker: WorkerId
):
    for count in (5, 3, 2):
        await some_ended(store, worker, count)
        store.clock_offset += MINUTE
    lately = await store.throughput(within=HOUR, limit=7)  # 2, 3, and 2 of the 5
    assert lately.by_queue == {"default": 5}
    assert 3 * MINUTE <= lately.length < 4 * MINUTE
    lately = await store.throughput(within=HOUR, limit=EVERYTHING)
    assert (lately.by_queue, lately.length) == ({"default": 10}, HOUR)


async def test_of_those_that_ended_in_one_moment_all_are_counted_or_none(store: TimedStore, worker: WorkerId):
    await some_ended(store, worker, 4)
    store.clock_offset += MINUTE
    lately = await store.throughput(within=HOUR, limit=3)
    assert (dict(lately.by_queue), lately.length < 2 * MINUTE) == ({}, True)


async def test_the_cancelled_are_looked_at_and_not_counted(store: TimedStore, worker: WorkerId):
    await some_ended(store, worker, 1)
    store.clock_offset += MINUTE
    await some_ended(store, worker, 3, Ending.CANCELLED)
    lately = await store.throughput(within=HOUR, limit=3)
    assert (dict(lately.by_queue), lately.length < MINUTE) == ({}, True)
    assert (await store.throughput(within=HOUR, limit=5)).by_queue == {"default": 1}


async def test_what_is_not_kept_or_waits_again_is_not_counted(store: TimedStore, worker: WorkerId):
    deleted, retried, *_ = await some_ended(store, worker, 5)
    await store.delete([deleted])
    await store.retry([retried])
    assert (await store.throughput(within=HOUR, limit=EVERYTHING)).by_queue == {"default": 3}
    await store.prune(older_than=timedelta(0), limit=1)
    assert (await store.throughput(within=HOUR, limit=EVERYTHING)).by_queue == {"default": 2}


@pytest.mark.parametrize("within", [timedelta(0), -HOUR, timedelta.max])
@pytest.mark.parametrize("limit", [-1, 0, 1, 10**9])
async def test_times_and_numbers_that_make_no_sense_are_taken(
    store: TimedStore, worker: WorkerId, within: timedelta, limit: int
):
    await some_ended(store, worker, 2)
    store.clock_offset += MINUTE
    lately = await store.throughput(within=within, limit=limit)
    assert lately.of("default") == (2 if within > MINUTE and limit > 2 else 0)
    assert lately.length > timedelta(0)
