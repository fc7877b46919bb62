"""Signing on, renewing, signing off; and who is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterwards.outcomes import Ending
from afterwards.tasks import Hold, State, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    LEASE,
    SECOND,
    TimedStore,
    a_card,
    a_running_task,
    claim_all,
    outcome,
    sign_on,
    the_task,
)


async def test_a_worker_that_signed_on_is_known(store: TimedStore):
    await store.sign_on(a_card("w1", host="here", pid=42, label="web"))
    [worker] = await store.workers()
    assert (worker.id, worker.host, worker.pid, worker.label, worker.leaving) == ("w1", "here", 42, "web", False)
    assert worker.expires - worker.signed_on == LEASE


async def test_signing_on_again_renews_the_card(store: TimedStore):
    await store.sign_on(a_card("w1", label="old"))
    await store.sign_off(WorkerId("w1"), leaving=True)
    await store.sign_on(a_card("w1", label="new"))
    [worker] = await store.workers()
    assert (worker.label, worker.leaving) == ("new", False)


async def test_workers_are_listed_as_they_came(store: TimedStore):
    for name in ("b", "c", "a"):
        await sign_on(store, name)
        store.clock_offset += SECOND
    assert [worker.id for worker in await store.workers()] == ["b", "c", "a"]


async def test_signing_on_frees_what_waited_for_a_worker_that_knows_the_name(store: TimedStore, worker: WorkerId):
    known = await a_running_task(store, worker, name="tests:known")
    strange = await a_running_task(store, worker, name="tests:strange")
    await store.settle([outcome(task.claim, Ending.UNKNOWN) for task in (known, strange)])
    await sign_on(store, "newer", functions=("tests:known", "tests:other"))
    assert (await the_task(store, known.id)).held is None
    assert (await the_task(store, strange.id)).held is Hold.UNKNOWN


async def test_a_renewal_ends_the_lease_that_long_from_now(store: TimedStore, worker: WorkerId):
    store.clock_offset += 10 * SECOND
    renewal = await store.renew(worker, lease=timedelta(seconds=40))
    assert not renewal.lost
    assert (await store.workers())[0].expires - renewal.now == timedelta(seconds=40)


async def test_a_renewal_tells_the_time_of_the_store(store: TimedStore, worker: WorkerId):
    store.clock_offset += timedelta(days=3)
    renewal = await store.renew(worker, lease=LEASE)
    assert abs(renewal.now - datetime.now(UTC) - timedelta(days=3)) < timedelta(seconds=30)


async def test_a_worker_that_nobody_knows_is_lost(store: TimedStore):
    assert (await store.renew(WorkerId("nobody"), lease=LEASE)).lost


async def test_a_rescued_worker_is_lost(store: TimedStore, worker: WorkerId):
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert (await store.renew(worker, lease=LEASE)).lost


async def test_a_worker_whose_lease_is_over_may_still_renew_until_it_is_rescued(store: TimedStore, worker: WorkerId):
    store.clock_offset += 2 * LEASE
    assert not (await store.renew(worker, lease=LEASE)).lost


async def test_a_worker_that_signed_off_is_gone(store: TimedStore, worker: WorkerId):
    await store.sign_off(worker)
    assert await store.workers() == []
    assert (await store.renew(worker, lease=LEASE)).lost


@pytest.mark.parametrize("leaving", [False, True])
async def test_signing_off_twice_or_unknown_does_no_harm(store: TimedStore, worker: WorkerId, leaving: bool):
    await store.sign_off(worker)
    await store.sign_off(worker, leaving=leaving)
    assert await store.workers() == []


async def test_what_a_worker_held_when_it_signed_off_waits_again_unspent(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.sign_off(worker)
    returned = await the_task(store, task.id)
    assert (returned.state, returned.attempt, returned.crashes, returned.run) == (State.WAITING, 0, 0, 1)
    assert (returned.started, returned.worker, returned.due) == (None, None, task.due)
    other = await sign_on(store, "other")
    [again] = await claim_all(store, other)
    assert (again.run, again.attempt) == (2, 1)


async def test_signing_off_leaves_the_tasks_of_others_alone(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    task = await a_running_task(store, other)
    await store.sign_off(worker)
    assert (await the_task(store, task.id)).worker == other


async def test_a_stale_worker_cannot_settle_after_it_signed_off(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.sign_off(worker)
    assert (await store.settle([outcome(task.claim, Ending.DONE)])).held == []


async def test_what_was_asked_to_stop_is_cancelled_when_its_worker_signs_off(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.cancel([task.id])
    await store.sign_off(worker)
    assert (await the_task(store, task.id)).state is State.CANCELLED


async def test_a_leaving_worker_keeps_its_row_and_its_tasks(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.sign_off(worker, leaving=True)
    [known] = await store.workers()
    assert (known.id, known.leaving) == (worker, True)
    assert await the_task(store, task.id) == task


async def test_a_leaving_worker_may_renew_and_settle(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.sign_off(worker, leaving=True)
    assert not (await store.renew(worker, lease=LEASE)).lost
    assert (await store.settle([outcome(task.claim, Ending.DONE)])).held == [task.claim]


async def test_the_runs_of_a_worker_are_told(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    mine, ended = await a_running_task(store, worker), await a_running_task(store, worker)
    stopping, theirs = await a_running_task(store, worker), await a_running_task(store, other)
    await store.settle([outcome(ended.claim, Ending.DONE)])
    await store.cancel([stopping.id])
    assert sorted(await store.claims(worker), key=str) == sorted([mine.claim, stopping.claim], key=str)
    assert await store.claims(other) == [theirs.claim]
    assert await store.claims(WorkerId("nobody")) == []
