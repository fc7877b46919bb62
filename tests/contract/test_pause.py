"""Pausing and resuming a queue."""

from __future__ import annotations

import pytest

from afterwards.outcomes import done
from afterwards.tasks import State, WorkerId
from tests.contract.builders import TimedStore, a_call, a_running_task, claim_all, ids_of, the_task


async def test_nothing_is_claimed_from_a_paused_queue_until_it_is_resumed(store: TimedStore, worker: WorkerId):
    call = a_call(queue="mail")
    await store.add([call])
    await store.pause("mail", paused=True)
    assert await claim_all(store, worker) == []
    await store.pause("mail", paused=False)
    assert ids_of(await claim_all(store, worker)) == [call.id]


async def test_other_queues_go_on(store: TimedStore, worker: WorkerId):
    await store.pause("mail", paused=True)
    call = a_call(queue="other")
    await store.add([call])
    assert ids_of(await claim_all(store, worker)) == [call.id]


@pytest.mark.parametrize("paused", [True, False])
async def test_it_does_no_harm_when_repeated(store: TimedStore, paused: bool):
    for _ in range(2):
        await store.pause("mail", paused=paused)
    assert (await store.census()).paused == (("mail",) if paused else ())


async def test_what_runs_already_goes_on(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker, queue="mail")
    await store.pause("mail", paused=True)
    assert (await store.settle([done(running.claim)])).held == [running.claim]
    assert (await the_task(store, running.id)).state is State.DONE
