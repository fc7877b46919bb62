"""Adding and claiming in one write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from afterwards.tasks import Search, State, WorkerId
from tests.contract.builders import (
    HOUR,
    TimedStore,
    a_call,
    a_line,
    claim_all,
    end_all,
    ids_of,
    sign_on,
    some_calls,
    the_task,
)


async def test_a_claimable_call_is_claimed_by_its_adder(store: TimedStore, worker: WorkerId):
    call = a_call()
    [added] = await store.add([call], claimed_by=worker)
    task = added.claimed
    assert task is not None
    assert (task.id, task.state, task.worker, task.attempt, task.run) == (call.id, State.RUNNING, worker, 1, 1)
    assert task.started is not None
    assert task == await the_task(store, call.id)


async def test_what_was_handed_off_is_not_claimed_again(store: TimedStore, worker: WorkerId):
    await store.add([a_call()], claimed_by=worker)
    assert await claim_all(store, worker) == []


async def test_an_outcome_of_a_handed_off_task_holds(store: TimedStore, worker: WorkerId):
    [added] = await store.add([a_call()], claimed_by=worker)
    assert added.claimed is not None
    await end_all(store, [added.claimed])
    assert (await the_task(store, added.id)).state is State.DONE


@pytest.mark.parametrize(
    "options",
    [{"delay": HOUR}, {"due": datetime(2100, 1, 1, tzinfo=UTC)}, {"queue": "other"}, {"queue": "paused"}],
    ids=repr,
)
async def test_a_call_that_is_not_claimable_waits(store: TimedStore, options: dict[str, object]):
    worker = await sign_on(store, queues=("default", "paused"))
    await store.pause("paused", paused=True)
    [added] = await store.add([a_call(**options)], claimed_by=worker)
    assert added.claimed is None
    assert (await the_task(store, added.id)).state is State.WAITING


async def test_a_call_that_was_due_before_is_claimed(store: TimedStore, worker: WorkerId):
    [added] = await store.add([a_call(due=datetime(2020, 1, 1, tzinfo=UTC))], claimed_by=worker)
    assert added.claimed is not None


async def test_only_the_head_of_a_line_is_claimed(store: TimedStore, worker: WorkerId):
    added = await store.add(a_line(3), claimed_by=worker)
    assert [one.claimed is not None for one in added] == [True, False, False]


async def test_a_worker_that_has_not_signed_on_claims_nothing(store: TimedStore):
    [added] = await store.add([a_call()], claimed_by=WorkerId("nobody"))
    assert added.claimed is None


async def test_a_worker_that_is_leaving_claims_nothing(store: TimedStore, worker: WorkerId):
    await store.sign_off(worker, leaving=True)
    [added] = await store.add([a_call()], claimed_by=worker)
    assert added.claimed is None


async def test_an_id_that_was_stored_before_is_not_claimed_again(store: TimedStore, worker: WorkerId):
    call = a_call()
    await store.add([call], claimed_by=worker)
    [added] = await store.add([call], claimed_by=worker)
    assert added.claimed is None
    assert (await the_task(store, call.id)).run == 1


async def test_an_id_that_is_in_one_write_twice_is_claimed_once(store: TimedStore, worker: WorkerId):
    call = a_call()
    added = await store.add([call, call], claimed_by=worker)
    assert len([one for one in added if one.claimed is not None]) == 1
    assert (await the_task(store, call.id)).run == 1


async def test_an_id_that_waits_already_is_left_to_claim(store: TimedStore, worker: WorkerId):
    call = a_call()
    await store.add([call])
    [added] = await store.add([call], claimed_by=worker)
    assert added.claimed is None
    assert ids_of(await claim_all(store, worker)) == [call.id]


async def test_each_adder_gets_its_own_tasks(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    requests = [(some_calls(2), claimer) for _ in range(20) for claimer in (worker, other, None)]
    answers = await asyncio.gather(*(store.add(calls, claimed_by=claimer) for calls, claimer in requests))
    for (calls, claimer), answer in zip(requests, answers, strict=True):
        claimed = [one.claimed for one in answer if one.claimed is not None]
        assert ids_of(claimed) == (ids_of(calls) if claimer else [])
        assert all(task.worker == claimer for task in claimed)


async def test_what_a_cancelled_adder_claimed_does_not_stay_with_its_worker(store: TimedStore, worker: WorkerId):
    for _ in range(20):
        adding = asyncio.ensure_future(store.add([a_call()], claimed_by=worker))
        await asyncio.sleep(0)
        adding.cancel()
    await store.open()  # after what is still under way
    await store.open()
    assert await store.find(Search(state=State.RUNNING), limit=100) == []
