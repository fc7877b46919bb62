"""Waiting for something to claim: perhaps woken too early, never too late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from afterwards.outcomes import Ending, done
from afterwards.stores import store_for
from afterwards.tasks import Task, Woken, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    SECOND,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    crash,
    outcome,
    sign_on,
    some_calls,
)

LONG = 20.0
SHORT = 0.15
AT_ONCE = 0.5

Change = Callable[[TimedStore, WorkerId], Awaitable[object]]


async def ready_at_once(store: TimedStore, worker: WorkerId, *, suspects: bool = True) -> bool:
    return await store.wait(worker, timeout=0.0, suspects=suspects) is Woken.READY


async def test_it_returns_at_once_when_something_is_claimable(store: TimedStore, worker: WorkerId):
    await store.add([a_call()])
    began = time.monotonic()
    assert await store.wait(worker, timeout=LONG, suspects=True) is Woken.READY
    assert time.monotonic() - began < AT_ONCE


async def test_it_ends_after_its_timeout_when_nothing_comes(store: TimedStore, worker: WorkerId):
    began = time.monotonic()
    assert await store.wait(worker, timeout=SHORT, suspects=True) is Woken.TIMEOUT
    assert SHORT <= time.monotonic() - began < SHORT + AT_ONCE


async def wake_by(store: TimedStore, worker: WorkerId, change: Callable[[], Awaitable[object]]) -> float:
    """How long a waiting worker slept after the change; the wait begins well before it, and so does its sleep.

    A notice of what was done before may come late, and wake it for nothing.
    """
    async with asyncio.timeout(LONG):
        waiting = asyncio.ensure_future(store.wait(worker, timeout=LONG, suspects=True))
        await asyncio.sleep(0.1)
        while waiting.done():
            waiting = asyncio.ensure_future(store.wait(worker, timeout=LONG, suspects=True))
            await asyncio.sleep(0.1)
        await change()
        changed = time.monotonic()
        assert await waiting is Woken.READY
        return time.monotonic() - changed


async def test_an_added_task_wakes_at_once(store: TimedStore, worker: WorkerId):
    assert await wake_by(store, worker, lambda: store.add([a_call()])) < AT_ONCE


async def test_a_freed_follower_wakes_at_once(store: TimedStore, worker: WorkerId):
    await store.add(a_line(2))
    [head] = await claim_all(store, worker)
    assert await wake_by(store, worker, lambda: store.settle([done(head.claim)])) < AT_ONCE


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.AGAIN, Ending.RETURNED])
async def test_a_task_that_waits_again_wakes_at_once(store: TimedStore, worker: WorkerId, ending: Ending):
    task = await a_running_task(store, worker)
    assert await wake_by(store, worker, lambda: store.settle([outcome(task.claim, ending)])) < AT_ONCE


async def test_a_call_brought_by_an_outcome_wakes_at_once(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    change = outcome(task.claim, Ending.DONE, calls=(a_call(),))
    assert await wake_by(store, worker, lambda: store.settle([change])) < AT_ONCE


async def test_a_rescued_task_wakes_at_once(store: TimedStore, worker: WorkerId):
    dead = await sign_on(store, "dead")
    await a_running_task(store, dead)
    rescue = lambda: store.rescue(known_dead=[dead], expired=False, limit=EVERYTHING)  # noqa: E731  # one line
    assert await wake_by(store, worker, rescue) < AT_ONCE


async def test_the_tasks_of_a_worker_that_signed_off_wake_at_once(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    await a_running_task(store, other)
    assert await wake_by(store, worker, lambda: store.sign_off(other)) < AT_ONCE


async def test_a_retried_task_wakes_at_once(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.settle([done(task.claim)])
    assert await wake_by(store, worker, lambda: store.retry([task.id])) < AT_ONCE


async def test_a_follower_freed_by_a_cancelled_head_wakes_at_once(store: TimedStore):
    elsewhere = await sign_on(store, queues=("tail",))
    head = a_call(queue="head")
    await store.add([head, a_call(queue="tail", after=head.id)])
    assert await wake_by(store, elsewhere, lambda: store.cancel([head.id])) < AT_ONCE


async def test_a_resumed_queue_wakes_at_once(store: TimedStore, worker: WorkerId):
    await store.add([a_call()])
    await store.pause("default", paused=True)
    assert await wake_by(store, worker, lambda: store.pause("default", paused=False)) < AT_ONCE


async def test_what_a_worker_that_knows_the_name_frees_wakes_at_once(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, name="tests:strange")
    await store.settle([outcome(task.claim, Ending.UNKNOWN)])
    assert await wake_by(store, worker, lambda: sign_on(store, "newer", functions=("tests:strange",))) < AT_ONCE


async def test_a_freed_name_wakes_at_once(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, name="tests:strange")
    await store.settle([outcome(task.claim, Ending.UNKNOWN)])
    assert await wake_by(store, worker, lambda: store.free_unknown(["tests:strange"])) < AT_ONCE


async def test_a_task_that_becomes_due_wakes_in_time(store: TimedStore, worker: WorkerId):
    began = time.monotonic()
    await store.add([a_call(delay=SECOND / 4)])
    assert await store.wait(worker, timeout=LONG, suspects=True) is Woken.READY
    assert 0.2 < time.monotonic() - began < 0.25 + AT_ONCE
    assert len(await claim_all(store, worker)) == 1


async def test_a_task_that_is_due_sooner_than_the_one_waited_for_wakes_in_time(store: TimedStore, worker: WorkerId):
    await store.add([a_call(delay=HOUR)])
    assert await wake_by(store, worker, lambda: store.add([a_call(delay=SECOND / 10)])) < 0.1 + AT_ONCE


async def test_another_process_wakes_too(url: str, store: TimedStore, worker: WorkerId):
    other = store_for(url)
    if url == "sqlite://":  # a private store has no other process: what another adds is its own
        await other.add([a_call()])
        assert await claim_all(store, worker) == []
    else:
        assert await wake_by(store, worker, lambda: other.add([a_call()])) < AT_ONCE
    await other.close()


async def test_all_that_wait_are_woken(store: TimedStore):
    workers = [await sign_on(store, f"worker {number}") for number in range(5)]
    waiting = [asyncio.ensure_future(store.wait(one, timeout=LONG, suspects=True)) for one in workers]
    await asyncio.sleep(0.1)
    await store.add([a_call()])
    async with asyncio.timeout(LONG):
        assert await asyncio.gather(*waiting) == [Woken.READY] * 5


# What the worker could not claim wakes nobody


async def test_nothing_that_it_could_not_claim_wakes_it(store: TimedStore):
    worker = await sign_on(store, queues=("default", "paused"))
    await store.pause("paused", paused=True)
    await store.add([a_call(queue="other"), a_call(queue="paused"), a_call(delay=HOUR)])
    assert not await ready_at_once(store, worker)


async def test_held_tasks_wake_nobody(store: TimedStore, worker: WorkerId):
    await store.add(a_line(2))
    await claim_all(store, worker)
    assert not await ready_at_once(store, worker)


async def test_a_worker_that_is_not_signed_on_is_not_woken(store: TimedStore):
    await store.add([a_call()])
    assert not await ready_at_once(store, WorkerId("nobody"))


async def test_names_it_does_not_know_do_not_wake_it(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(3, name="tests:strange"))
    assert await store.wait(worker, timeout=0.0, suspects=True, unknown=["tests:strange"]) is Woken.TIMEOUT
    await store.add([a_call()])
    assert await store.wait(worker, timeout=0.0, suspects=True, unknown=["tests:strange"]) is Woken.READY


async def test_a_suspect_wakes_only_who_would_take_one(store: TimedStore, worker: WorkerId):
    call = a_call(crashes=2)
    await store.add([call])
    await crash(store, call.id)
    assert not await ready_at_once(store, worker, suspects=False)
    assert await ready_at_once(store, worker, suspects=True)


async def test_a_suspect_that_it_does_not_know_does_not_wake_it(store: TimedStore, worker: WorkerId):
    call = a_call(crashes=2, name="tests:strange")
    await store.add([call])
    await crash(store, call.id)
    assert await store.wait(worker, timeout=0.0, suspects=True, unknown=["tests:strange"]) is Woken.TIMEOUT


async def test_a_wake_up_that_was_claimed_by_another_goes_on_sleeping(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    waiting = asyncio.ensure_future(store.wait(worker, timeout=0.5, suspects=True))
    await asyncio.sleep(0.1)
    claimed: list[Task] = [one.claimed for one in await store.add([a_call()], claimed_by=other) if one.claimed]
    assert len(claimed) == 1
    assert await waiting is Woken.TIMEOUT


async def test_a_worker_that_has_just_got_something_is_woken_once_in_vain_at_most(store: TimedStore):
    mails = await sign_on(store, "mails", queues=("mail",))
    await store.add([a_call(queue="mail")])
    assert len(await claim_all(store, mails)) == 1
    waiting = asyncio.ensure_future(store.wait(mails, timeout=0.5, suspects=True))
    await asyncio.sleep(0.1)
    await store.add([a_call(queue="other")])
    await waiting  # perhaps woken: it may have been for it
    assert await claim_all(store, mails) == []
    waiting = asyncio.ensure_future(store.wait(mails, timeout=0.5, suspects=True))
    await asyncio.sleep(0.1)
    await store.add([a_call(queue="other")])
    assert await waiting is Woken.TIMEOUT


async def test_closing_the_store_ends_a_wait(store: TimedStore, worker: WorkerId):
    waiting = asyncio.ensure_future(store.wait(worker, timeout=LONG, suspects=True))
    await asyncio.sleep(0.1)
    await store.close()
    async with asyncio.timeout(LONG / 2):
        assert await waiting is Woken.TIMEOUT
