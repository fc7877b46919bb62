"""Handing waiting tasks over: pages of them, the oldest first."""

from __future__ import annotations

import pytest

from afterwards.ids import new_id
from afterwards.outcomes import Ending
from afterwards.tasks import State, TaskId, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    ids_of,
    outcome,
    some_calls,
    the_task,
)


async def test_the_oldest_comes_first(store: TimedStore):
    calls = some_calls(5)
    for call in calls:
        await store.add([call])
    assert ids_of(await store.hand_over(limit=10)) == ids_of(calls)


async def test_the_order_is_that_of_being_stored_and_no_other(store: TimedStore):
    calls = [a_call(priority=1, delay=HOUR), a_call(priority=9), a_call(queue="mail"), a_call(priority=0)]
    await store.add(calls)
    assert ids_of(await store.hand_over(limit=10)) == ids_of(calls)


async def test_no_more_than_the_limit_are_handed_over(store: TimedStore):
    calls = some_calls(5)
    await store.add(calls)
    assert ids_of(await store.hand_over(limit=2)) == ids_of(calls[:2])
    assert await store.hand_over(limit=0) == []


async def test_pages_follow_each_other_without_gap_or_repetition(store: TimedStore):
    calls = some_calls(7)
    await store.add(calls)
    handed: list[TaskId] = []
    while page := await store.hand_over(limit=3, after=handed[-1] if handed else None):
        handed += ids_of(page)
    assert handed == ids_of(calls)


async def test_a_page_may_come_after_a_task_that_waits_no_more(store: TimedStore):
    first, second = some_calls(2)
    await store.add([first, second])
    await store.cancel([first.id])
    assert ids_of(await store.hand_over(limit=3, after=first.id)) == [second.id]


async def test_a_page_after_a_task_that_is_gone_is_empty(store: TimedStore):
    await store.add(some_calls(3))
    assert await store.hand_over(limit=3, after=new_id()) == []


async def test_all_that_wait_are_handed_over_and_nothing_else(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    for ending in (Ending.DONE, Ending.FAILED, Ending.CANCELLED):
        await store.settle([outcome((await a_running_task(store, worker)).claim, ending)])
    unknown, retried = await a_running_task(store, worker), await a_running_task(store, worker)
    await store.settle([outcome(unknown.claim, Ending.UNKNOWN), outcome(retried.claim, Ending.RETRIED)])
    line, tomorrow = a_line(3), a_call(delay=24 * HOUR)
    await store.pause("paused", paused=True)
    paused = a_call(queue="paused")
    await store.add([*line, tomorrow, paused])
    handed = await store.hand_over(limit=EVERYTHING)
    assert ids_of(handed) == [unknown.id, retried.id, *ids_of(line), tomorrow.id, paused.id]
    assert {task.state for task in handed} == {State.WAITING}
    assert running.id not in ids_of(handed)


async def test_handing_over_changes_nothing(store: TimedStore):
    [call] = calls = some_calls(1)
    await store.add(calls)
    before = await the_task(store, call.id)
    assert await store.hand_over(limit=10) == [before]
    assert await the_task(store, call.id) == before


@pytest.mark.parametrize("crashes", [0, 1, 3, 7])
async def test_a_task_says_how_many_crashes_it_is_allowed(store: TimedStore, worker: WorkerId, crashes: int):
    running = await a_running_task(store, worker, crashes=crashes)
    assert running.crashes_allowed == crashes
    assert (await the_task(store, running.id)).crashes_allowed == crashes
    [waiting] = calls = [a_call(crashes=crashes)]
    await store.add(calls)
    [task] = await store.hand_over(limit=10)
    assert (task.id, task.crashes_allowed) == (waiting.id, crashes)


@pytest.mark.parametrize("ending", Ending)
async def test_a_task_says_whether_its_turn_is_over(store: TimedStore, worker: WorkerId, ending: Ending):
    running = await a_running_task(store, worker)
    assert not running.turn_over
    await store.settle([outcome(running.claim, ending)])
    assert (await the_task(store, running.id)).turn_over is (ending not in (Ending.RETURNED, Ending.UNKNOWN))
