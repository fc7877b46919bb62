"""Deleting what has ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from afterwards.ids import new_id
from afterwards.outcomes import Ending, done
from afterwards.tasks import Hold, Search, State, WorkerId
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
    the_task,
)


@pytest.mark.parametrize("ending", [Ending.DONE, Ending.FAILED, Ending.CANCELLED])
async def test_an_ended_task_is_gone_and_can_be_stored_again(store: TimedStore, worker: WorkerId, ending: Ending):
    gone, stays = [await a_running_task(store, worker) for _ in range(2)]
    await store.settle([outcome(gone.claim, ending, result="1"), done(stays.claim)])
    assert await store.delete([gone.id]) == [gone.id]
    assert ids_of(await store.find(Search(), limit=10)) == [stays.id]
    assert await store.states([gone.id]) == {}
    assert (await store.census()).by_state[State.DONE] == 1
    await store.add([a_call(id=gone.id)])
    assert ids_of(await claim_all(store, worker)) == [gone.id]


async def test_only_those_that_went_are_told_in_the_order_of_the_question(store: TimedStore, worker: WorkerId):
    tasks = [await a_running_task(store, worker) for _ in range(4)]
    await end_all(store, tasks[:3])
    asked = [tasks[3].id, tasks[1].id, new_id(), tasks[0].id, tasks[1].id]
    assert await store.delete(asked) == [tasks[1].id, tasks[0].id]
    assert await store.delete(asked) == []
    assert await store.delete([]) == []
    assert ids_of(await store.find(Search(), limit=10)) == [tasks[3].id, tasks[2].id]


async def test_what_has_not_ended_stays(store: TimedStore, worker: WorkerId):
    running, retried, unknown, again = [await a_running_task(store, worker) for _ in range(4)]
    await store.settle([outcome(retried.claim, Ending.RETRIED, delay=HOUR), outcome(unknown.claim, Ending.UNKNOWN)])
    await end_all(store, [again])
    await store.retry([again.id])
    calls = [a_call(delay=HOUR), *a_line(2)]
    await store.add(calls)
    unfinished = [running.id, retried.id, unknown.id, again.id, *ids_of(calls)]
    assert await store.delete(unfinished) == []
    assert len(await store.find(Search(), limit=10)) == len(unfinished)
    assert (await store.settle([done(running.claim)])).held == [running.claim]


async def test_who_waits_behind_a_task_that_goes_is_not_held_up(store: TimedStore, worker: WorkerId):
    line = a_line(3)
    await store.add(line)
    await end_all(store, await claim_all(store, worker))
    assert (await the_task(store, line[2].id)).held is Hold.AFTER
    assert await store.delete([line[0].id]) == [line[0].id]
    await end_all(store, await claim_all(store, worker))
    assert await store.delete([line[1].id]) == [line[1].id]
    assert ids_of(await claim_all(store, worker)) == [line[2].id]
    await store.add([late := a_call(after=line[0].id)])
    assert (await the_task(store, late.id)).held is None


async def test_its_other_names_go_with_it(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker, key="k")
    await store.add([twin := a_call(key="k")])
    await end_all(store, [running])
    assert await store.delete([twin.id]) == [twin.id], "by any of its names"
    assert await store.find(Search(ids=(twin.id, running.id)), limit=10) == []


async def test_its_key_is_free_unless_it_is_held_for_longer(store: TimedStore, worker: WorkerId):
    free = await a_running_task(store, worker, key="free")
    held = await a_running_task(store, worker, key="held", unique_for=timedelta(hours=2))
    await end_all(store, [free, held])
    assert await store.delete([free.id, held.id]) == [free.id, held.id]
    fresh, twin = a_call(key="free"), a_call(key="held")
    assert [added.id for added in await store.add([fresh, twin])] == [fresh.id, held.id]
    store.clock_offset += timedelta(hours=3)
    [added] = await store.add([later := a_call(key="held")])
    assert added.id == later.id


async def test_a_key_that_another_has_taken_stays_with_him(store: TimedStore, worker: WorkerId):
    before = await a_running_task(store, worker, key="k")
    await end_all(store, [before])
    await store.add([holder := a_call(key="k", delay=HOUR)])
    assert await store.delete([before.id]) == [before.id]
    [added] = await store.add([a_call(key="k")])
    assert added.id == holder.id


async def test_an_outcome_of_a_run_of_a_deleted_task_holds_no_more(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await end_all(store, [running])
    await store.delete([running.id])
    assert (await store.settle([done(running.claim)])).held == []
    assert await store.find(Search(), limit=10) == []


async def test_thousands_go_at_once(store: TimedStore, worker: WorkerId):
    calls = some_calls(1_500)
    await store.add(calls)
    await store.cancel(ids_of(calls))
    assert await store.delete(ids_of(calls)) == ids_of(calls)
    assert await store.find(Search(), limit=10) == []


async def test_whoever_adds_under_its_key_meanwhile_gets_a_task_that_is_there(store: TimedStore, worker: WorkerId):
    for number in range(20):
        options = {"key": f"k{number}", "unique_for": HOUR if number % 2 else None}
        running = await a_running_task(store, worker, **options)
        await end_all(store, [running])
        call = a_call(**options)
        gone, [added] = await asyncio.gather(store.delete([running.id]), store.add([call]))
        assert gone == [running.id]
        assert added.id == (running.id if number % 2 else call.id)
        [again] = await store.add([a_call(**options)])
        assert again.id == added.id, "the key has kept its holder"
