"""What is asked at the same moment may be written together, and is written as if it had come one after the other."""

from __future__ import annotations

import asyncio

from afterwards.outcomes import Ending, done
from tests.contract.builders import TimedStore, a_call, a_running_task, claim_all, outcome, sign_on, the_task


async def test_what_a_sign_off_has_given_back_is_not_given_back_again_by_an_outcome_of_the_same_batch(
    store: TimedStore,
):
    worker = await sign_on(store)
    task = await a_running_task(store, worker)
    await store.settle([outcome(task.claim, Ending.RETRIED)])
    [again] = await claim_all(store, worker)
    await asyncio.gather(store.sign_off(worker), store.settle([outcome(again.claim, Ending.RETURNED)]))
    assert (await the_task(store, task.id)).attempt == 1


async def test_who_comes_in_the_batch_that_settles_the_one_before_waits_for_nothing(store: TimedStore):
    worker = await sign_on(store)
    task = await a_running_task(store, worker)
    follower = a_call(after=task.id)
    await asyncio.gather(store.add([follower]), store.settle([done(task.claim)]))
    assert (await the_task(store, follower.id)).held is None
