"""Claiming."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.outcomes import Ending, done
from afterwards.tasks import State, Woken, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    MINUTE,
    SECOND,
    TimedStore,
    a_call,
    a_line,
    claim_all,
    crash,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_claimed_task_runs_for_its_worker(store: TimedStore, worker: WorkerId):
    call = a_call()
    await store.add([call])
    [task] = await claim_all(store, worker)
    assert (task.id, task.state, task.worker, task.attempt, task.run) == (call.id, State.RUNNING, worker, 1, 1)
    assert task.started is not None
    assert task.started >= task.added
    assert task == await the_task(store, call.id)


async def test_nothing_is_claimed_from_an_empty_store(store: TimedStore, worker: WorkerId):
    assert await claim_all(store, worker) == []


async def test_a_task_is_claimed_once(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(20))
    other = await sign_on(store, "other")
    claims = await asyncio.gather(
        *(store.claim(claimer, limit=3, suspects=True) for _ in range(5) for claimer in (worker, other))
    )
    ids = [task.id for claimed in claims for task in claimed]
    assert len(ids) == len(set(ids)) == 20


async def test_a_claim_takes_no_more_than_its_limit_and_the_oldest_first(store: TimedStore, worker: WorkerId):
    calls = some_calls(5)
    await store.add(calls)
    assert ids_of(await claim_all(store, worker, limit=2)) == ids_of(calls[:2])
    assert ids_of(await claim_all(store, worker)) == ids_of(calls[2:])


@pytest.mark.parametrize("limit", [0, -1])
async def test_no_room_means_no_tasks(store: TimedStore, worker: WorkerId, limit: int):
    await store.add([a_call()])
    assert await claim_all(store, worker, limit=limit) == []


async def test_a_task_that_is_not_due_is_passed_over(store: TimedStore, worker: WorkerId):
    await store.add([a_call(delay=HOUR)])
    now = a_call()
    await store.add([now])
    assert ids_of(await claim_all(store, worker)) == [now.id]
    store.clock_offset += HOUR
    assert len(await claim_all(store, worker)) == 1


async def test_the_best_rank_is_due_less_a_minute_for_each_level_of_priority(store: TimedStore, worker: WorkerId):
    ranked = [
        a_call(priority=9, due=NOON),
        a_call(priority=8, due=NOON),
        a_call(priority=5, due=NOON - 2 * MINUTE),
        a_call(priority=6, due=NOON - SECOND),
        a_call(priority=6, due=NOON),
        a_call(priority=5, due=NOON - SECOND),
        a_call(priority=0, due=NOON - 4 * MINUTE),
        a_call(priority=1, due=NOON),
    ]
    ranks = [call.due - call.priority * MINUTE for call in ranked if call.due]
    assert ranks == sorted(ranks), "the list above is in the order of rank"
    await store.add(list(reversed(ranked)))
    assert ids_of(await claim_all(store, worker)) == ids_of(ranked)


async def test_a_low_task_that_has_waited_long_goes_before_a_high_one(store: TimedStore, worker: WorkerId):
    low = a_call(priority=0)
    await store.add([low])
    store.clock_offset += 10 * MINUTE
    await store.add(some_calls(5, priority=9))
    assert ids_of(await claim_all(store, worker, limit=1)) == [low.id]


async def test_the_merge_of_many_lines_is_the_same_as_one_long_sorted_line(store: TimedStore, worker: WorkerId):
    calls = [
        a_call(queue=f"queue {n % 7}", priority=(n * 3) % 10, due=NOON + timedelta(seconds=(n * 37) % 600))
        for n in range(200)
    ]
    await store.add(calls)
    by_rank = sorted(calls, key=lambda call: (call.due or NOON) - call.priority * MINUTE)
    claimed = [task for _ in range(10) for task in await claim_all(store, worker, limit=20)]
    ranks = [task.due - task.priority * MINUTE for task in claimed]
    assert ranks == [(call.due or NOON) - call.priority * MINUTE for call in by_rank]
    assert len(set(ids_of(claimed))) == 200


async def test_a_worker_claims_from_its_own_queues_only(store: TimedStore):
    mail, slow, other = (a_call(queue=queue) for queue in ("mail", "slow", "other"))
    await store.add([mail, slow, other])
    worker = await sign_on(store, queues=("mail", "slow"))
    assert set(ids_of(await claim_all(store, worker))) == {mail.id, slow.id}


async def test_a_worker_without_queues_of_its_own_serves_all(store: TimedStore, worker: WorkerId):
    calls = [a_call(queue=queue) for queue in ("a", "b", "ü", "")]
    await store.add(calls)
    assert set(ids_of(await claim_all(store, worker))) == set(ids_of(calls))


async def test_a_worker_that_serves_no_queue_claims_nothing(store: TimedStore):
    await store.add([a_call()])
    worker = await sign_on(store, queues=())
    assert await claim_all(store, worker) == []


async def test_a_worker_that_has_not_signed_on_claims_nothing(store: TimedStore):
    await store.add([a_call()])
    assert await claim_all(store, WorkerId("nobody")) == []


async def test_a_lost_worker_claims_nothing(store: TimedStore, worker: WorkerId):
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    await store.add([a_call()])
    assert await claim_all(store, worker) == []


async def test_a_leaving_worker_claims_nothing(store: TimedStore, worker: WorkerId):
    await store.sign_off(worker, leaving=True)
    await store.add([a_call()])
    assert await claim_all(store, worker) == []


async def test_a_paused_queue_is_passed_over(store: TimedStore, worker: WorkerId):
    await store.pause("mail", paused=True)
    other = a_call(queue="other")
    await store.add([a_call(queue="mail"), other])
    assert ids_of(await claim_all(store, worker)) == [other.id]


async def test_held_tasks_are_passed_over(store: TimedStore, worker: WorkerId):
    line = a_line(3)
    await store.add(line)
    assert ids_of(await claim_all(store, worker)) == [line[0].id]


async def test_names_that_the_worker_does_not_know_are_passed_over(store: TimedStore, worker: WorkerId):
    strange, known = a_call(name="tests:strange"), a_call(name="tests:known")
    await store.add([*some_calls(5, name="tests:strange"), strange, known])
    claimed = await store.claim(worker, limit=3, suspects=True, unknown={"tests:strange"})
    assert ids_of(claimed) == [known.id]
    assert (await the_task(store, strange.id)).state is State.WAITING


async def test_a_task_that_is_claimed_again_has_the_next_run_and_attempt(store: TimedStore, worker: WorkerId):
    await store.add([a_call()])
    [first] = await claim_all(store, worker)
    await store.settle([outcome(first.claim, Ending.RETRIED)])
    [second] = await claim_all(store, worker)
    assert (second.run, second.attempt) == (2, 2)


async def test_runs_grow_also_when_the_attempt_is_given_back(store: TimedStore, worker: WorkerId):
    await store.add([a_call()])
    for run in range(1, 4):
        [task] = await claim_all(store, worker)
        assert (task.run, task.attempt) == (run, 1)
        await store.settle([outcome(task.claim, Ending.RETURNED)])


# Suspects: tasks whose next crash would end them


async def test_suspects_are_passed_over_unless_asked_for(store: TimedStore, worker: WorkerId):
    suspect = a_call(crashes=2)
    await store.add([suspect])
    await crash(store, suspect.id)
    assert await claim_all(store, worker, suspects=False) == []
    [task] = await claim_all(store, worker, suspects=True)
    assert (task.id, task.suspect) == (suspect.id, True)


async def test_one_suspect_is_claimed_at_a_time(store: TimedStore, worker: WorkerId):
    suspects = some_calls(3, crashes=2)
    await store.add(suspects)
    casualty = await sign_on(store, "casualty")
    await claim_all(store, casualty)
    await store.rescue(known_dead=[casualty], expired=False, limit=EVERYTHING)
    innocent = a_call()
    await store.add([innocent])
    claimed = await claim_all(store, worker)
    assert [task.suspect for task in claimed].count(True) == 1
    assert innocent.id in ids_of(claimed)


async def test_a_suspect_takes_its_place_by_rank(store: TimedStore, worker: WorkerId):
    suspect = a_call(crashes=2, priority=5)
    await store.add([suspect])
    await crash(store, suspect.id)
    high, low = a_call(priority=9), a_call(priority=1)
    await store.add([low, high])
    assert ids_of(await claim_all(store, worker)) == [high.id, suspect.id, low.id]


async def test_of_several_suspects_the_best_by_rank_is_claimed(store: TimedStore, worker: WorkerId):
    low, high = a_call(crashes=2, priority=1), a_call(crashes=2, priority=8)
    await store.add([low, high])
    casualty = await sign_on(store, "casualty")
    await claim_all(store, casualty)
    await store.rescue(known_dead=[casualty], expired=False, limit=EVERYTHING)
    assert ids_of(await claim_all(store, worker)) == [high.id]


async def test_a_suspect_that_is_not_due_is_passed_over(store: TimedStore, worker: WorkerId):
    suspect = a_call(crashes=3)
    await store.add([suspect])
    for _ in range(2):
        await crash(store, suspect.id)
    assert (await the_task(store, suspect.id)).suspect
    assert await claim_all(store, worker) == []
    assert await store.wait(worker, timeout=0.0, suspects=True) is Woken.TIMEOUT
    store.clock_offset += MINUTE
    assert ids_of(await claim_all(store, worker)) == [suspect.id]


async def test_a_suspect_of_another_queue_or_an_unknown_name_is_passed_over(store: TimedStore, worker: WorkerId):
    suspect = a_call(crashes=2, queue="mail", name="tests:strange")
    await store.add([suspect])
    await crash(store, suspect.id)
    elsewhere = await sign_on(store, "elsewhere", queues=("other",))
    assert await claim_all(store, elsewhere) == []
    assert await store.claim(worker, limit=5, suspects=True, unknown=["tests:strange"]) == []
    await store.pause("mail", paused=True)
    assert await claim_all(store, worker) == []


async def test_a_task_with_crashes_to_spare_is_no_suspect(store: TimedStore, worker: WorkerId):
    call = a_call(crashes=3)
    await store.add([call])
    await crash(store, call.id)
    [task] = await claim_all(store, worker, suspects=False)
    assert (task.crashes, task.suspect) == (1, False)


async def test_a_claimed_task_says_when_it_was_claimed_by_the_stores_clock(store: TimedStore):
    worker = await sign_on(store)
    first, second = a_line(2, deadline=HOUR)
    [added, _] = await store.add([first, second], claimed_by=worker)
    store.clock_offset = HOUR + MINUTE
    await store.add([a_call(deadline=MINUTE)])
    assert added.claimed is not None
    settled = await store.settle([done(added.claimed.claim)], claimed_by=worker)
    [waiting] = await claim_all(store, worker)
    for task, is_late in ((added.claimed, False), (settled.claimed[0], True), (waiting, False)):
        assert task.started is not None
        assert task.deadline is not None
        assert (task.started > task.deadline) is is_late
