"""Returning what dead workers left running."""

from __future__ import annotations

from datetime import timedelta

import pytest

from afterwards.outcomes import Ending, crash_wait
from afterwards.tasks import State, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    LEASE,
    SECOND,
    TimedStore,
    a_call,
    a_running_task,
    claim_all,
    crash,
    end_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)


async def test_the_task_of_a_worker_known_to_be_dead_waits_again(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    [rescued] = await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert (rescued.id, rescued.state, rescued.worker, rescued.started) == (task.id, State.WAITING, None, None)
    assert (rescued.attempt, rescued.crashes, rescued.run) == (0, 1, 1)
    assert rescued == await the_task(store, task.id)


async def test_a_worker_whose_lease_has_run_out_is_believed_dead(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    store.clock_offset += LEASE + SECOND
    assert ids_of(await store.rescue(known_dead=[], expired=True, limit=EVERYTHING)) == [task.id]
    assert await store.workers() == []


async def test_a_worker_whose_lease_lasts_is_left_alone(store: TimedStore, worker: WorkerId):
    await a_running_task(store, worker)
    store.clock_offset += LEASE - SECOND
    assert await store.rescue(known_dead=[], expired=True, limit=EVERYTHING) == []
    assert len(await store.workers()) == 1


async def test_a_worker_that_renewed_is_left_alone(store: TimedStore, worker: WorkerId):
    await a_running_task(store, worker)
    store.clock_offset += LEASE - SECOND
    await store.renew(worker, lease=LEASE)
    store.clock_offset += LEASE - SECOND
    assert await store.rescue(known_dead=[], expired=True, limit=EVERYTHING) == []


async def test_leases_do_not_count_while_the_clock_is_not_trusted(store: TimedStore, worker: WorkerId):
    await a_running_task(store, worker)
    store.clock_offset += 10 * LEASE
    assert await store.rescue(known_dead=[], expired=False, limit=EVERYTHING) == []


async def test_a_dead_worker_without_tasks_is_forgotten(store: TimedStore, worker: WorkerId):
    assert await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING) == []
    assert await store.workers() == []


async def test_an_unknown_dead_worker_is_passed_over(store: TimedStore, worker: WorkerId):
    await a_running_task(store, worker)
    assert await store.rescue(known_dead=[WorkerId("nobody")], expired=False, limit=EVERYTHING) == []
    assert len(await store.workers()) == 1


async def test_the_tasks_of_living_workers_are_left_alone(store: TimedStore, worker: WorkerId):
    dead = await sign_on(store, "dead")
    mine, theirs = await a_running_task(store, worker), await a_running_task(store, dead)
    assert ids_of(await store.rescue(known_dead=[dead], expired=True, limit=EVERYTHING)) == [theirs.id]
    assert await the_task(store, mine.id) == mine


async def test_a_limit_bounds_one_call_and_the_row_goes_with_the_last_task(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(5), claimed_by=worker)
    counts = []
    for _ in range(3):
        assert len(await store.workers()) == 1
        counts.append(len(await store.rescue(known_dead=[worker], expired=False, limit=2)))
    assert counts == [2, 2, 1]
    assert await store.workers() == []


async def test_a_rescued_task_is_due_at_once_after_its_first_crash(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    other = await sign_on(store, "other")
    [again] = await claim_all(store, other)
    assert (again.id, again.run, again.attempt) == (task.id, 2, 1)


async def test_each_further_crash_makes_it_wait_longer(store: TimedStore):
    call = a_call(crashes=20)
    await store.add([call])
    for crashes in range(1, 8):
        before = (await store.census()).now
        await crash(store, call.id)
        task, after = await the_task(store, call.id), (await store.census()).now
        assert task.crashes == crashes
        assert before <= task.due - crash_wait(crashes) <= after
        store.clock_offset += crash_wait(crashes)


@pytest.mark.parametrize(("allowed", "crashes"), [(0, 1), (1, 1), (2, 2), (3, 3)])
async def test_a_task_that_has_used_up_its_crashes_fails_as_poison(store: TimedStore, allowed: int, crashes: int):
    call = a_call(crashes=allowed)
    await store.add([call])
    for _ in range(crashes):
        assert (await the_task(store, call.id)).state is State.WAITING
        await crash(store, call.id)
        store.clock_offset += timedelta(minutes=2)
    task = await the_task(store, call.id)
    assert (task.state, task.crashes) == (State.FAILED, crashes)
    assert task.attempt == 1, "only a task that is to be tried again gets its attempt back"
    assert task.ended is not None
    assert task.error is not None
    assert task.error.kind == "Crashed"
    assert "died" in task.error.message


@pytest.mark.parametrize(("allowed", "suspect_after"), [(2, 1), (3, 2), (4, 3)])
async def test_a_task_is_a_suspect_once_its_next_crash_would_end_it(
    store: TimedStore, allowed: int, suspect_after: int
):
    call = a_call(crashes=allowed)
    await store.add([call])
    for crashes in range(1, suspect_after + 1):
        await crash(store, call.id)
        assert (await the_task(store, call.id)).suspect is (crashes == suspect_after)
        store.clock_offset += timedelta(minutes=2)


async def test_a_suspect_that_then_succeeds_is_done(store: TimedStore, worker: WorkerId):
    call = a_call(crashes=2)
    await store.add([call])
    await crash(store, call.id)
    await end_all(store, await claim_all(store, worker))
    assert (await the_task(store, call.id)).state is State.DONE


async def test_a_suspect_that_fails_by_itself_stays_a_suspect(store: TimedStore, worker: WorkerId):
    call = a_call(crashes=2)
    await store.add([call])
    await crash(store, call.id)
    [task] = await claim_all(store, worker)
    await store.settle([outcome(task.claim, Ending.RETRIED)])
    assert await claim_all(store, worker, suspects=False) == []


async def test_a_leaving_worker_has_not_crashed(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, crashes=1)
    await store.sign_off(worker, leaving=True)
    assert await store.rescue(known_dead=[], expired=True, limit=EVERYTHING) == []
    store.clock_offset += LEASE + SECOND
    [rescued] = await store.rescue(known_dead=[], expired=True, limit=EVERYTHING)
    assert (rescued.id, rescued.state, rescued.attempt, rescued.crashes) == (task.id, State.WAITING, 0, 0)
    assert not rescued.suspect
    assert await store.workers() == []


async def test_a_rescued_task_that_was_asked_to_stop_is_cancelled(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    follower = a_call(after=task.id)
    await store.add([follower])
    await store.cancel([task.id])
    [rescued] = await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert (rescued.id, rescued.state) == (task.id, State.CANCELLED)
    assert (await the_task(store, follower.id)).held is None


async def test_rescuing_twice_rescues_once(store: TimedStore, worker: WorkerId):
    await a_running_task(store, worker)
    assert len(await store.rescue(known_dead=[worker], expired=True, limit=EVERYTHING)) == 1
    assert await store.rescue(known_dead=[worker], expired=True, limit=EVERYTHING) == []
