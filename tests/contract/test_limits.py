"""Quotas: how many runs go on at once behind a gate, whoever claims them, and what lets the next one through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from afterwards.outcomes import Ending, done
from afterwards.quotas import Quota, Rate
from afterwards.tasks import Gate, Hold, Search, State, Task, Woken, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    LEASE,
    MINUTE,
    SECOND,
    TimedStore,
    a_call,
    a_line,
    above,
    claim_all,
    crash,
    end_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)

WORK = "function:tests:work"


def at_most(most: int, name: str = WORK) -> tuple[Quota, ...]:
    return (Quota(name=name, most=most),)


async def is_ready(store: TimedStore, worker: WorkerId) -> bool:
    return await store.wait(worker, timeout=0.0, suspects=True) is Woken.READY


async def sweep_all(store: TimedStore) -> None:
    after = await store.sweep()
    while after is not None:
        after = await store.sweep(after=after)


async def test_no_more_are_claimed_than_may_run_at_once(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(3))
    calls = some_calls(10)
    await store.add(calls)
    claimed = await claim_all(store, worker)
    assert ids_of(claimed) == ids_of(calls[:3])
    assert all(task.limited for task in claimed)
    assert await claim_all(store, worker) == []
    assert not await is_ready(store, worker), "what is held wakes nobody"


async def test_the_others_are_held_and_seen_to_be(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(3))
    await store.add(some_calls(10))
    await claim_all(store, worker)
    waiting = await store.find(Search(state=State.WAITING), limit=EVERYTHING)
    assert [task.held for task in waiting] == [Hold.LIMIT] * 7
    census = await store.census()
    assert (census.held, census.by_state[State.WAITING], census.waiting_due) == ({Hold.LIMIT: 7}, 7, 7)
    await store.pause("default", paused=True)
    assert (await store.census()).waiting_due == 0


async def test_a_limit_holds_for_all_workers_together(store: TimedStore):
    workers = [await sign_on(store, f"worker {n}", quotas=at_most(3)) for n in range(4)]
    await store.add(some_calls(40))
    claims = await asyncio.gather(*(claim_all(store, worker, limit=2) for worker in workers for _ in range(5)))
    running = [task for claimed in claims for task in claimed]
    assert len(running) <= 3
    for worker in workers:
        running += await claim_all(store, worker)
    assert len(running) == len(set(ids_of(running))) == 3


async def test_what_is_not_limited_goes_on_past_those_that_are_held(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    await store.add(some_calls(250))
    free = some_calls(5, name="tests:free")
    await store.add(free)
    claimed = [task for _ in range(3) for task in await claim_all(store, worker, limit=5)]
    assert [task.name for task in claimed].count("tests:work") == 1
    assert set(ids_of(free)) <= set(ids_of(claimed))
    assert not any(task.limited for task in claimed if task.name == "tests:free")


async def test_the_best_by_rank_is_let_through_first(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    [first] = calls = some_calls(1, priority=9)
    await store.add(calls)
    low, high, middle = (a_call(priority=priority) for priority in (1, 8, 5))
    await store.add([low, high, middle])
    [task] = await claim_all(store, worker)
    assert task.id == first.id
    for expected in (high, middle, low):
        await end_all(store, [task])
        assert await is_ready(store, worker)
        [task] = await claim_all(store, worker)
        assert task.id == expected.id


# Whatever ends a run lets the next one through

Ended = Callable[[TimedStore, Task], Awaitable[object]]


def settled_as(ending: Ending, **options: object) -> Ended:
    return lambda store, task: store.settle([outcome(task.claim, ending, **options)])


async def killed(store: TimedStore, task: Task) -> None:
    assert task.worker is not None
    await store.rescue(known_dead=[task.worker], expired=False, limit=EVERYTHING)


async def believed_dead(store: TimedStore, task: Task) -> None:
    """Its lease is over, and the others' are not."""
    store.clock_offset += LEASE + SECOND
    for worker in await store.workers():
        if worker.id != task.worker:
            await store.renew(worker.id, lease=LEASE)
    await store.rescue(known_dead=[], expired=True, limit=EVERYTHING)


async def signed_off(store: TimedStore, task: Task) -> None:
    assert task.worker is not None
    await store.sign_off(task.worker)


async def stopped_and_signed_off(store: TimedStore, task: Task) -> None:
    await store.cancel([task.id])
    await signed_off(store, task)


ENDINGS: dict[str, Ended] = {
    "done": settled_as(Ending.DONE),
    "failed": settled_as(Ending.FAILED),
    "cancelled": settled_as(Ending.CANCELLED),
    "to be tried again": settled_as(Ending.RETRIED, delay=HOUR),
    "again": settled_as(Ending.AGAIN, delay=HOUR),
    "returned": settled_as(Ending.RETURNED, delay=HOUR),
    "unknown": settled_as(Ending.UNKNOWN),
    "its worker killed": killed,
    "its worker's lease over": believed_dead,
    "its worker signed off": signed_off,
    "cancelled, and its worker signed off": stopped_and_signed_off,
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_whatever_ends_a_run_lets_the_next_one_through(store: TimedStore, ending: str):
    running, looking = await sign_on(store, "running", quotas=at_most(1)), await sign_on(store, quotas=at_most(1))
    await store.add([a_call(crashes=1)])
    [task] = await claim_all(store, running)
    await store.add([following := a_call()])
    assert await claim_all(store, looking) == []
    await ENDINGS[ending](store, task)
    claimed = await claim_all(store, looking)
    assert len(claimed) == 1
    if task.id == claimed[0].id:  # given back: its rank is the best
        await end_all(store, claimed)
        claimed = await claim_all(store, looking)
    assert ids_of(claimed) == [following.id]


async def test_a_batch_of_endings_lets_as_many_through(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(5))
    await store.add(some_calls(20))
    for expected in (5, 5, 5, 5, 0):
        claimed = await claim_all(store, worker)
        assert len(claimed) == expected
        await end_all(store, claimed)


async def test_what_waits_for_another_try_is_not_counted_and_passes_its_gate_anew(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    tried, other = some_calls(2)
    await store.add([tried, other])
    [task] = await claim_all(store, worker)
    await store.settle([outcome(task.claim, Ending.RETRIED, delay=SECOND)])
    claimed = await claim_all(store, worker)
    assert ids_of(claimed) == [other.id]
    store.clock_offset += SECOND
    assert await claim_all(store, worker) == []
    assert (await the_task(store, tried.id)).held is Hold.LIMIT
    await end_all(store, claimed)
    [again] = await claim_all(store, worker)
    assert (again.id, again.attempt) == (tried.id, 2)


# By key, by queue, by both


async def test_a_function_is_limited_for_each_key_apart(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(2))
    await store.add([a_call(limit_key=key) for key in ("ann", "bob", "ann", "ann", "ü\\'\"", "bob", "") for _ in "12"])
    claimed = await claim_all(store, worker)
    keys = [task.limit_key for task in claimed]
    assert {key: keys.count(key) for key in keys} == {"ann": 2, "bob": 2, "ü\\'\"": 2, "": 2}
    await end_all(store, [task for task in claimed if task.limit_key == "ann"])
    assert [task.limit_key for task in await claim_all(store, worker)] == ["ann", "ann"]


async def test_a_queue_is_limited_over_all_its_functions(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(2, "queue:mail"))
    await store.add([a_call(queue="mail", name=f"tests:{n}", limit_key=str(n)) for n in range(5)])
    await store.add(elsewhere := some_calls(5))
    claimed = await claim_all(store, worker)
    assert [task.queue for task in claimed].count("mail") == 2
    assert set(ids_of(elsewhere)) <= set(ids_of(claimed))


async def test_a_task_passes_both_its_gates_or_waits(store: TimedStore):
    worker = await sign_on(store, quotas=(*at_most(2), *at_most(3, "queue:mail")))
    work, other = some_calls(4, queue="mail"), some_calls(4, queue="mail", name="tests:other")
    await store.add([*work, *other])
    claimed = await claim_all(store, worker)
    assert ids_of(claimed) == [*ids_of(work[:2]), other[0].id]
    await end_all(store, [claimed[2]])
    claimed = [*claimed[:2], *await claim_all(store, worker)]
    assert ids_of(claimed) == [*ids_of(work[:2]), other[1].id]
    await end_all(store, claimed)
    assert len(await claim_all(store, worker)) == 3


async def test_the_turn_passes_to_another_queue_where_a_function_is_limited(store: TimedStore):
    both = await sign_on(store, "both", quotas=at_most(1))
    narrow = await sign_on(store, "narrow", queues=("mail",), quotas=at_most(1))
    await store.add([a_call(queue="slow")])
    [task] = await claim_all(store, both)
    await store.add([a_call(queue="slow"), mail := a_call(queue="mail")])
    assert await claim_all(store, both) == []
    await store.pause("slow", paused=True)
    await end_all(store, [task])
    await sweep_all(store)
    assert ids_of(await claim_all(store, narrow)) == [mail.id]


async def test_a_paused_queue_keeps_its_turn_until_it_goes_on(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1, "queue:mail"))
    await store.add(some_calls(3, queue="mail"))
    [task] = await claim_all(store, worker)
    await store.pause("mail", paused=True)
    await end_all(store, [task])
    assert await claim_all(store, worker) == []
    assert not await is_ready(store, worker)
    await store.pause("mail", paused=False)
    assert await is_ready(store, worker)
    assert len(await claim_all(store, worker)) == 1


async def test_whoever_does_not_serve_the_queue_leaves_the_turn_to_others(store: TimedStore):
    mail = await sign_on(store, "mail", queues=("mail",), quotas=at_most(1, "queue:mail"))
    other = await sign_on(store, "other", queues=("other",), quotas=at_most(1, "queue:mail"))
    await store.add(some_calls(2, queue="mail"))
    await end_all(store, await claim_all(store, mail, limit=1))
    assert not await is_ready(store, other)
    assert await claim_all(store, other) == []
    assert len(await claim_all(store, mail)) == 1


async def test_whoever_does_not_know_the_function_leaves_the_turn_to_others(store: TimedStore):
    knowing, other = await sign_on(store, quotas=at_most(1)), await sign_on(store, "other")
    await store.add(some_calls(2))
    first = await claim_all(store, knowing)
    await end_all(store, first)
    assert await store.claim(other, limit=5, suspects=True, unknown=["tests:work"]) == []
    assert await store.wait(other, timeout=0.0, suspects=True, unknown=["tests:work"]) is Woken.TIMEOUT
    assert len(await claim_all(store, knowing)) == 1


# The turn is not lost with the task that had it


@pytest.mark.parametrize("how", ["cancel", "forget"])
async def test_the_turn_of_a_task_that_is_gone_passes_on_at_the_next_sweep(store: TimedStore, how: str):
    worker = await sign_on(store, quotas=at_most(1))
    calls = some_calls(3)
    await store.add(calls)
    await end_all(store, await claim_all(store, worker))
    await store.add([better := a_call(name="tests:free", priority=9)])
    assert ids_of(await claim_all(store, worker, limit=1)) == [better.id], "which left no room for whoever was let on"
    let_through = await the_task(store, calls[1].id)
    assert (let_through.state, let_through.held) == (State.WAITING, None)
    await (store.cancel([let_through.id]) if how == "cancel" else store.forget([let_through.id]))
    assert not await is_ready(store, worker)
    await sweep_all(store)
    assert await is_ready(store, worker)
    assert ids_of(await claim_all(store, worker)) == [calls[2].id]


async def test_cancelling_what_is_held_leaves_the_others_where_they_are(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    running, cancelled, last = calls = some_calls(3)
    await store.add(calls)
    claimed = await claim_all(store, worker)
    assert await store.cancel([cancelled.id]) == [cancelled.id]
    task = await the_task(store, cancelled.id)
    assert (task.state, task.held) == (State.CANCELLED, None)
    assert await claim_all(store, worker) == []
    await end_all(store, claimed)
    assert ids_of(await claim_all(store, worker)) == [last.id]
    assert await store.retry([running.id, cancelled.id]) == [running.id, cancelled.id]
    assert await claim_all(store, worker) == [], "a person's retry passes the gate like any other"


async def test_a_sweep_finds_nothing_where_all_is_well(store: TimedStore, worker: WorkerId):
    assert await store.sweep() is None
    await sign_on(store, quotas=at_most(1))
    await store.add(some_calls(3))
    await claim_all(store, worker)
    assert await store.sweep(after=Gate(quota="function:a", key="b")) is None
    assert not await is_ready(store, worker)


async def test_a_sweep_of_many_gates_goes_on_where_the_last_one_ended(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    await store.add([a_call(limit_key=f"{key:03}") for key in range(130) for _ in "12"])
    claimed = [task for _ in range(9) for task in await claim_all(store, worker)]
    assert len(claimed) == 130
    after = await store.sweep()
    assert after is not None
    assert after.quota == WORK
    assert await store.sweep(after=after) is None


# What is declared


async def test_a_larger_limit_holds_when_a_worker_signs_on_with_it(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(2))
    await store.add(some_calls(10))
    assert len(await claim_all(store, worker)) == 2
    newer = await sign_on(store, "newer", quotas=at_most(5))
    assert await is_ready(store, newer)
    assert len(await claim_all(store, newer)) == 3
    assert await claim_all(store, worker) == []


async def test_a_smaller_limit_holds_as_soon_as_enough_have_ended(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(3))
    await store.add(some_calls(10))
    claimed = await claim_all(store, worker)
    await sign_on(store, quotas=at_most(1))
    await end_all(store, claimed[:2])
    assert await claim_all(store, worker) == []
    await end_all(store, claimed[2:])
    assert len(await claim_all(store, worker)) == 1


async def test_a_new_limit_counts_what_runs_already_and_holds_what_waits(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(6))
    claimed = await claim_all(store, worker, limit=2)
    assert not any(task.limited for task in claimed)
    await sign_on(store, quotas=at_most(3))
    more = await claim_all(store, worker)
    assert len(more) == 1
    await end_all(store, claimed)
    assert len(await claim_all(store, worker)) == 2


async def test_a_limit_ends_when_no_worker_declares_it_any_more(store: TimedStore, worker: WorkerId):
    both = [await sign_on(store, name, quotas=at_most(1)) for name in ("ann", "bob")]
    await store.add(some_calls(4))
    claimed = await claim_all(store, worker)
    store.clock_offset += MINUTE
    for last in both:
        await store.sweep()
        assert await claim_all(store, worker) == []
        await store.sign_off(last)
    await store.sweep()
    assert await is_ready(store, worker)
    assert len(await claim_all(store, worker)) == 3
    await end_all(store, claimed)


async def test_a_limit_that_was_just_declared_is_not_forgotten(store: TimedStore, worker: WorkerId):
    await store.sign_off(await sign_on(store, "brief", quotas=at_most(1)))
    await store.sweep()
    await store.add(some_calls(4))
    assert len(await claim_all(store, worker)) == 1


async def test_a_worker_that_declares_less_lets_go_of_the_rest(store: TimedStore):
    worker = await sign_on(store, quotas=(*at_most(1), *at_most(1, "queue:mail")))
    await store.add([*some_calls(2), *some_calls(2, queue="mail", name="tests:mail")])
    assert len(await claim_all(store, worker)) == 2
    await sign_on(store, quotas=at_most(1))
    store.clock_offset += MINUTE
    await store.sweep()
    assert [task.name for task in await claim_all(store, worker)] == ["tests:mail"]


# Beside everything else that can be said of a task


async def test_what_a_quota_counts_is_claimed_by_a_claim_alone(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    line = a_line(2, name="tests:free")
    line[1] = replace(line[1], name="tests:work")
    added = await store.add([a_call(), *line], claimed_by=worker)
    assert [one.claimed is not None for one in added] == [False, True, False]
    assert added[1].claimed is not None
    settled = await store.settle([done(added[1].claimed.claim)], claimed_by=worker)
    assert settled.claimed == []
    assert len(await claim_all(store, worker)) == 1


async def test_a_line_of_limited_tasks_keeps_its_order(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    lines = [a_line(3), a_line(3)]
    for line in lines:
        await store.add(line)
    order: list[object] = []
    while claimed := await claim_all(store, worker):
        assert len(claimed) == 1
        order += ids_of(claimed)
        await end_all(store, claimed)
    assert [id for id in order if id in ids_of(lines[0])] == ids_of(lines[0])
    assert [id for id in order if id in ids_of(lines[1])] == ids_of(lines[1])
    assert len(order) == 6


async def test_a_suspect_passes_its_gate_too(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    suspect = a_call(crashes=2)
    await store.add([suspect])
    await crash(store, suspect.id)
    await store.add([innocent := a_call(priority=9)])
    [running] = await claim_all(store, worker)
    assert running.id == innocent.id
    assert (await the_task(store, suspect.id)).held is Hold.LIMIT
    await end_all(store, [running])
    assert await claim_all(store, worker, suspects=False) == []
    [task] = await claim_all(store, worker, suspects=True)
    assert (task.id, task.suspect) == (suspect.id, True)


async def test_what_no_worker_knew_passes_its_gate_when_it_is_freed(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    await store.add(some_calls(2))
    [task] = await claim_all(store, worker)
    await store.settle([outcome(task.claim, Ending.UNKNOWN)])
    [other] = await claim_all(store, worker)
    assert await store.free_unknown(["tests:work"]) == 1
    assert await claim_all(store, worker) == []
    await end_all(store, [other])
    assert ids_of(await claim_all(store, worker)) == [task.id]


async def test_a_held_task_moves_to_another_store_with_its_key_and_without_its_hold(
    store: TimedStore, other: TimedStore
):
    worker = await sign_on(store, quotas=at_most(1))
    calls = some_calls(3, limit_key="ann")
    await store.add(calls)
    [running] = await claim_all(store, worker)
    moving = await store.hand_over(limit=EVERYTHING)
    assert [(task.held, task.limit_key) for task in moving] == [(Hold.LIMIT, "ann")] * 2
    assert await other.receive(moving) == ids_of(moving)
    assert await store.forget(ids_of(moving)) == ids_of(moving)
    await end_all(store, [running])
    assert await claim_all(store, worker) == []
    there = await sign_on(other, quotas=at_most(1))
    [first] = await claim_all(other, there)
    assert (first.id, first.limit_key) == (moving[0].id, "ann")
    assert (await the_task(other, moving[1].id)).held is Hold.LIMIT


async def test_a_held_task_that_is_replaced_passes_its_gates_anew(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    await store.add([a_call(limit_key="ann"), held := a_call(limit_key="ann", key="k")])
    assert len(await claim_all(store, worker)) == 1
    assert (await the_task(store, held.id)).held is Hold.LIMIT
    await store.add([a_call(limit_key="bob", key="k", replace=True)])
    [task] = await claim_all(store, worker)
    assert (task.id, task.limit_key) == (held.id, "bob")
    assert (await store.census()).held == {}


async def test_a_delayed_task_stands_outside_until_it_is_due(store: TimedStore):
    worker = await sign_on(store, quotas=at_most(1))
    await store.add([delayed := a_call(delay=HOUR), now := a_call()])
    claimed = await claim_all(store, worker)
    assert ids_of(claimed) == [now.id]
    assert (await the_task(store, delayed.id)).held is None
    await end_all(store, claimed)
    assert await claim_all(store, worker) == []


# Rates


def a_rate(count: int, period: timedelta = MINUTE, *, most: int | None = None) -> tuple[Quota, ...]:
    return (Quota(name=WORK, most=most, rate=Rate(count=count, period=period)),)


async def test_no_more_begin_in_a_period_than_the_rate_says(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(5))
    await store.add(some_calls(12))
    claimed = await claim_all(store, worker)
    assert len(claimed) == 5
    await end_all(store, claimed)
    assert await claim_all(store, worker) == []
    assert (await store.census()).held == {Hold.RATE: 7}
    store.clock_offset += 50 * SECOND
    assert await claim_all(store, worker) == []
    store.clock_offset += 10 * SECOND
    assert await is_ready(store, worker)
    assert len(await claim_all(store, worker)) == 5


async def test_a_wait_ends_when_the_rate_lets_the_next_one_through(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(2, timedelta(seconds=1)))
    await store.add(some_calls(3))
    assert len(await claim_all(store, worker)) == 2
    assert not await is_ready(store, worker)
    assert await store.wait(worker, timeout=20.0, suspects=True) is Woken.READY
    assert len(await claim_all(store, worker)) == 1


@pytest.mark.parametrize("step", [0.7, 3.3, 11.0])
async def test_a_backlog_gets_the_whole_rate_and_never_more_in_any_period(store: TimedStore, step: float):
    worker = await sign_on(store, quotas=a_rate(20))
    await store.add(some_calls(200))
    started: list[float] = []
    rounds = int(240 / step)
    for _ in range(rounds):
        while claimed := await claim_all(store, worker, limit=4):
            started += [task.started.timestamp() for task in claimed if task.started]
            await end_all(store, claimed)
        store.clock_offset += timedelta(seconds=step)
    assert above(started, 20, 60.0) == []
    periods = 1 + int((rounds - 1) * step / (60.0 + step))
    assert len(started) >= 20 * periods


async def test_a_rate_holds_by_the_real_clock_too(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(10, timedelta(seconds=0.4)))
    await store.add(some_calls(50))
    started: list[float] = []
    while len(started) < 30:
        assert await store.wait(worker, timeout=20.0, suspects=True) is Woken.READY
        claimed = await claim_all(store, worker, limit=4)
        started += [task.started.timestamp() for task in claimed if task.started]
    assert above(started, 10, 0.4) == []


async def test_what_a_rate_held_is_let_through_by_rank_and_only_as_many(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(2))
    await store.add(some_calls(2))
    await end_all(store, await claim_all(store, worker))
    low, high, middle = (a_call(priority=priority) for priority in (1, 8, 5))
    await store.add([low, high, middle])
    assert await claim_all(store, worker) == []
    store.clock_offset += MINUTE + SECOND
    assert ids_of(await claim_all(store, worker)) == [high.id, middle.id]


async def test_a_run_that_is_given_back_has_used_its_turn(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(1))
    await store.add([a_call()])
    [task] = await claim_all(store, worker)
    await store.settle([outcome(task.claim, Ending.RETURNED)])
    assert await claim_all(store, worker) == []
    store.clock_offset += MINUTE + SECOND
    assert len(await claim_all(store, worker)) == 1


async def test_a_rate_and_a_limit_hold_together(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(3, most=2))
    await store.add(some_calls(8))
    first = await claim_all(store, worker)
    assert len(first) == 2
    await end_all(store, first)
    second = await claim_all(store, worker)
    assert len(second) == 1
    store.clock_offset += MINUTE + SECOND
    third = await claim_all(store, worker)
    assert len(third) == 1, "one still runs"
    await end_all(store, [*second, *third])
    assert len(await claim_all(store, worker)) == 2


async def test_each_key_has_a_rate_of_its_own(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(2))
    await store.add([a_call(limit_key=key) for key in "aaabbb"])
    claimed = await claim_all(store, worker)
    assert sorted(task.limit_key for task in claimed) == ["a", "a", "b", "b"]
    store.clock_offset += MINUTE + SECOND
    assert sorted(task.limit_key for task in await claim_all(store, worker)) == ["a", "b"]


async def test_old_passes_are_forgotten(store: TimedStore):
    worker = await sign_on(store, quotas=a_rate(1000, timedelta(days=1)))
    await store.add(some_calls(3))
    await end_all(store, await claim_all(store, worker))
    store.clock_offset += timedelta(days=3)
    for _ in range(3):
        await store.sweep()
    await store.add(some_calls(1000))
    assert len(await claim_all(store, worker)) == 1000
