"""Forgetting waiting tasks, which another store has received."""

from __future__ import annotations

from afterwards.ids import new_id
from afterwards.outcomes import Ending, done
from afterwards.tasks import Hold, Search, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    MINUTE,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    ids_of,
    outcome,
    some_calls,
    the_task,
)


async def test_a_waiting_task_is_gone_and_can_be_stored_again(store: TimedStore, worker: WorkerId):
    gone, stays = some_calls(2)
    await store.add([gone, stays])
    assert await store.forget([gone.id]) == [gone.id]
    assert ids_of(await store.find(Search(), limit=10)) == [stays.id]
    await store.add([gone])
    assert set(ids_of(await claim_all(store, worker))) == {gone.id, stays.id}


async def test_forgotten_tasks_are_named_in_the_order_of_the_question(store: TimedStore):
    calls = some_calls(4)
    await store.add(calls)
    asked = ids_of(calls)[::-1]
    assert await store.forget([*asked, asked[0], new_id()]) == asked


async def test_forgetting_nothing_and_strangers_changes_nothing(store: TimedStore):
    await store.add([a_call()])
    assert await store.forget([]) == []
    assert await store.forget([new_id()]) == []
    assert len(await store.hand_over(limit=10)) == 1


async def test_what_runs_or_has_ended_is_not_forgotten(store: TimedStore, worker: WorkerId):
    running, ended = await a_running_task(store, worker), await a_running_task(store, worker)
    await store.settle([done(ended.claim)])
    assert await store.forget([running.id, ended.id]) == []
    assert (await store.settle([done(running.claim)])).held == [running.claim]


async def test_held_delayed_and_suspect_tasks_are_forgotten(store: TimedStore, worker: WorkerId):
    suspect = await a_running_task(store, worker, crashes=2)
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert (await the_task(store, suspect.id)).suspect
    calls = [a_call(delay=MINUTE), *a_line(3)]
    await store.add(calls)
    assert set(await store.forget([suspect.id, *ids_of(calls)])) == {suspect.id, *ids_of(calls)}
    assert await store.find(Search(), limit=10) == []
    census = await store.census()
    assert (census.held, census.waiting_due, census.waiting_by_queue) == ({}, 0, {})


async def test_what_was_held_as_unknown_is_forgotten(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.UNKNOWN)])
    assert await store.forget([running.id]) == [running.id]
    assert await store.unknown_names() == []


async def test_whoever_was_held_after_a_forgotten_task_is_freed(store: TimedStore, worker: WorkerId):
    line = a_line(4)
    await store.add(line)
    assert await store.forget(ids_of(line[:2])) == ids_of(line[:2])
    assert (await the_task(store, line[2].id)).held is None
    assert (await the_task(store, line[3].id)).held is Hold.AFTER
    assert ids_of(await claim_all(store, worker)) == [line[2].id]


async def test_followers_of_what_is_not_forgotten_stay_held(store: TimedStore, worker: WorkerId):
    line = a_line(2)
    await store.add(line, claimed_by=worker)
    assert await store.forget([line[0].id]) == []
    assert (await the_task(store, line[1].id)).held is Hold.AFTER
