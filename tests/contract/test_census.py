"""Counting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterwards.outcomes import Ending
from afterwards.tasks import Hold, State, WorkerId
from tests.contract.builders import (
    HOUR,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    crash,
    outcome,
    some_calls,
    the_task,
)


async def test_an_empty_store_counts_nothing(store: TimedStore):
    census = await store.census()
    assert set(census.by_state.values()) <= {0}
    assert (census.waiting_due, dict(census.waiting_by_queue), dict(census.held)) == (0, {}, {})
    assert (census.workers, census.paused, census.unknown_names) == ((), (), ())


async def test_tasks_are_counted_by_state(store: TimedStore, worker: WorkerId):
    for ending, count in {Ending.DONE: 3, Ending.FAILED: 2, Ending.CANCELLED: 1, Ending.RETRIED: 4}.items():
        tasks = [await a_running_task(store, worker) for _ in range(count)]
        await store.settle([outcome(task.claim, ending, delay=HOUR) for task in tasks])
    await a_running_task(store, worker)
    assert (await store.census()).by_state == {
        State.WAITING: 4,
        State.RUNNING: 1,
        State.DONE: 3,
        State.FAILED: 2,
        State.CANCELLED: 1,
    }


async def test_waiting_tasks_are_counted_by_queue_held_or_not(store: TimedStore, worker: WorkerId):
    await store.add([*a_line(3, queue="mail"), *some_calls(2, queue="slow", delay=HOUR)])
    strange = await a_running_task(store, worker, queue="strange")
    await store.settle([outcome(strange.claim, Ending.UNKNOWN)])
    assert (await store.census()).waiting_by_queue == {"mail": 3, "slow": 2, "strange": 1}


async def test_held_tasks_are_counted_by_what_holds_them(store: TimedStore, worker: WorkerId):
    strange = await a_running_task(store, worker, name="tests:strange")
    await store.settle([outcome(strange.claim, Ending.UNKNOWN)])
    await store.add(a_line(3))
    census = await store.census()
    assert census.held == {Hold.AFTER: 2, Hold.UNKNOWN: 1}
    assert census.unknown_names == ("tests:strange",)


async def test_due_are_the_tasks_that_nothing_holds_back(store: TimedStore, worker: WorkerId):
    await store.add([*a_line(3), a_call(delay=HOUR)])
    assert (await store.census()).waiting_due == 1
    store.clock_offset += HOUR
    assert (await store.census()).waiting_due == 2
    await claim_all(store, worker)
    assert (await store.census()).waiting_due == 0


async def test_of_each_queue_it_tells_since_when_the_first_has_been_due(store: TimedStore, worker: WorkerId):
    first, high, other = a_call(), a_call(priority=9), a_call(queue="mail", priority=0)
    await store.add([first])
    store.clock_offset += HOUR
    await store.add([high, other, a_call(queue="later", delay=HOUR), a_call(queue="paused")])
    await store.add(a_line(2, queue="lined"))
    await store.pause("paused", paused=True)
    census = await store.census()
    due = {call.id: (await the_task(store, call.id)).due for call in (first, high, other)}
    assert set(census.oldest_due) == {"default", "mail", "lined"}
    assert (census.oldest_due["default"], census.oldest_due["mail"]) == (due[first.id], due[other.id])
    await store.cancel([first.id])
    assert (await store.census()).oldest_due["default"] == due[high.id]


async def test_suspects_that_are_due_are_counted_too(store: TimedStore):
    call = a_call(crashes=2)
    await store.add([call])
    await crash(store, call.id)
    census = await store.census()
    assert (census.waiting_due, census.by_state[State.WAITING]) == (1, 1)


async def test_a_paused_queue_is_named_and_its_tasks_are_held_back(store: TimedStore):
    await store.pause("mail", paused=True)
    await store.add([a_call(queue="mail")])
    census = await store.census()
    assert (census.paused, census.waiting_due, census.waiting_by_queue) == (("mail",), 0, {"mail": 1})


async def test_workers_are_named(store: TimedStore, worker: WorkerId):
    assert [known.id for known in (await store.census()).workers] == [worker]


async def test_a_census_tells_the_time_of_the_store(store: TimedStore):
    store.clock_offset += timedelta(days=2)
    now = (await store.census()).now
    assert abs(now - datetime.now(UTC) - timedelta(days=2)) < timedelta(seconds=30)
