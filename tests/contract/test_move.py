"""A whole move, from one store of a kind to another: nothing lost, nothing doubled, broken off or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.errors import CannotMove
from afterwards.moving import FIRST_BATCH, Cargo, Moved, look, move
from afterwards.outcomes import Ending, done
from afterwards.retries import Retry
from afterwards.store import Store
from afterwards.tasks import Hold, Search, State, Task, TaskId, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    LEASE,
    SECOND,
    TimedStore,
    a_call,
    a_group,
    a_line,
    a_running_task,
    claim_all,
    end_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)


class Between:
    """A store that does something else before one of its verbs is done for the first time."""

    def __init__(self, store: Store, verb: str, act: Callable[[], Awaitable[object]]) -> None:
        self._store, self._verb, self._act, self._has_acted = store, verb, act, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name) if name != self._verb or self._has_acted else self._acting

    async def _acting(self, *arguments: object, **named: object) -> object:
        self._has_acted = True
        await self._act()
        return await getattr(self._store, self._verb)(*arguments, **named)


def between(store: Store, verb: str, act: Callable[[], Awaitable[object]]) -> Store:
    acting: Store = Between(store, verb, act)  # type: ignore[assignment]  # it has every verb of the other
    return acting


async def all_kinds(store: TimedStore) -> list[Task]:
    """Waiting tasks of every kind, and some that are not."""
    worker = await sign_on(store, "passing")
    for ending in Ending:
        running = await a_running_task(store, worker, retry=Retry(attempts=7), crashes=5)
        await store.settle([outcome(running.claim, ending, delay=SECOND if ending is Ending.AGAIN else timedelta(0))])
    for number in range(40):
        await store.add(a_line(1 + number % 4, priority=number % 10, queue=f"queue {number % 3}"))
    await store.add([a_call(due=datetime(2044, 1, 2, tzinfo=UTC)), a_call(arguments='{"text": "' + "ü" * 5000 + '"}')])
    await store.sign_off(worker)
    return await store.hand_over(limit=EVERYTHING)


async def waiting(store: TimedStore) -> list[Task]:
    return await store.hand_over(limit=EVERYTHING)


async def test_all_that_waits_is_there_afterwards_as_it_was(store: TimedStore, other: TimedStore):
    tasks = await all_kinds(other)
    cargo, moved = await move(other, store)
    assert await waiting(store) == tasks
    assert await waiting(other) == []
    assert moved == Moved(tasks=len(tasks), brought_before=0)
    assert (cargo.tasks, cargo.ended) == (len(tasks), 3)


async def test_what_has_ended_stays(store: TimedStore, other: TimedStore):
    await all_kinds(other)
    ended = [task.id for task in await other.find(Search(), limit=EVERYTHING) if task.state.ended]
    await move(other, store)
    assert ids_of(await other.find(Search(), limit=EVERYTHING)) == ended
    assert await store.find(Search(ids=tuple(ended)), limit=10) == []


async def test_an_empty_store_is_moved_at_once(store: TimedStore, other: TimedStore):
    cargo, moved = await move(other, store)
    assert (cargo, moved) == (Cargo(tasks=0, paused=(), ended=0), Moved())


async def test_pauses_go_before_the_tasks(store: TimedStore, other: TimedStore):
    worker = await sign_on(store)
    await other.pause("mail", paused=True)
    await other.add([a_call(queue="mail"), free := a_call()])
    cargo, _ = await move(other, store)
    assert cargo.paused == ("mail",)
    assert (await store.census()).paused == ("mail",)
    assert ids_of(await claim_all(store, worker)) == [free.id]


async def test_progress_is_told_after_each_batch(store: TimedStore, other: TimedStore):
    await other.add(some_calls(FIRST_BATCH + 7))
    told: list[tuple[int, int]] = []
    await move(other, store, tell=lambda carried, of: told.append((carried, of)))
    assert told == [(FIRST_BATCH, FIRST_BATCH + 7), (FIRST_BATCH + 7, FIRST_BATCH + 7)]


async def test_lines_that_cross_a_batch_keep_their_order(store: TimedStore, other: TimedStore, worker: WorkerId):
    long_line, short_lines = a_line(FIRST_BATCH + 3), [a_line(3) for _ in range(FIRST_BATCH)]
    await other.add([*long_line, *(call for line in short_lines for call in line)])
    await move(other, store)
    assert sum(task.held is None for task in await waiting(store)) == 1 + len(short_lines)
    order: list[TaskId] = []
    while claimed := await claim_all(store, worker):
        order += ids_of(claimed)
        await end_all(store, claimed)
    for line in (long_line, *short_lines):
        assert [id for id in order if id in set(ids_of(line))] == ids_of(line)


# Broken off


class BrokenOff(Exception):
    """The process is gone."""


@pytest.mark.parametrize("verb", ["receive", "forget", "hand_over", "workers"])
async def test_a_move_that_was_broken_off_goes_on(store: TimedStore, other: TimedStore, verb: str):
    tasks = await all_kinds(other)

    async def break_off() -> None:
        raise BrokenOff

    breaking = between(store if verb == "receive" else other, verb, break_off)
    with pytest.raises(BrokenOff):
        await (move(other, breaking) if verb == "receive" else move(breaking, store))
    _, moved = await move(other, store)
    assert await waiting(store) == tasks
    assert await waiting(other) == []
    assert moved == Moved(tasks=len(tasks), brought_before=FIRST_BATCH if verb == "forget" else 0)


async def test_a_move_that_was_broken_off_between_batches_goes_on(store: TimedStore, other: TimedStore):
    await other.add(calls := a_line(2 * FIRST_BATCH))

    def break_off(carried: int, of: int) -> None:
        raise BrokenOff

    with pytest.raises(BrokenOff):
        await move(other, store, tell=break_off)
    assert len(await waiting(store)) == len(await waiting(other)) == FIRST_BATCH
    await move(other, store)
    assert ids_of(await waiting(store)) == ids_of(calls)
    assert [task.held for task in await waiting(store)] == [None, *[Hold.AFTER] * (2 * FIRST_BATCH - 1)]


async def test_what_ran_there_while_the_move_was_broken_off_does_not_run_again(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    await other.add(calls := some_calls(3))
    await store.receive(await other.hand_over(limit=EVERYTHING))
    claimed = await claim_all(store, worker)
    await store.settle([done(claimed[0].claim), outcome(claimed[1].claim, Ending.RETRIED)])
    _, moved = await move(other, store)
    assert moved == Moved(tasks=3, brought_before=3)
    states = [(await the_task(store, task.id)).state for task in claimed]
    assert states == [State.DONE, State.WAITING, State.RUNNING]
    assert {task.run for task in await store.find(Search(ids=tuple(ids_of(calls))), limit=3)} == {1}


async def test_two_moves_at_once_carry_everything_once(store: TimedStore, other: TimedStore):
    await other.add(calls := some_calls(3))
    first = between(other, "forget", lambda: move(other, store))
    _, moved = await move(first, store)
    assert moved == Moved(), "the other one was faster"
    assert ids_of(await waiting(store)) == ids_of(calls)


# While somebody works


async def test_no_store_is_moved_into_itself(store: TimedStore):
    await store.add(calls := some_calls(3))
    with pytest.raises(CannotMove, match="one and the same store"):
        await move(store, store)
    assert ids_of(await waiting(store)) == ids_of(calls)


@pytest.mark.parametrize("leaving", [False, True])
async def test_nothing_is_moved_from_under_a_worker(store: TimedStore, other: TimedStore, leaving: bool):
    worker = await sign_on(other, label="the host", pid=4711)
    running = await a_running_task(other, worker)
    await other.add(some_calls(2))
    if leaving:
        await other.sign_off(worker, leaving=True)
    for forbidden in (move(other, store), look(other)):
        with pytest.raises(CannotMove, match=r"workers are signed on.*the host \(process 4711\).*in 1[45] s at most"):
            await forbidden
    assert len(await waiting(other)) == 2
    assert await waiting(store) == []
    assert (await the_task(other, running.id)).worker == worker


async def test_a_few_of_many_workers_are_named(store: TimedStore, other: TimedStore):
    for number in range(5):
        await sign_on(other, f"worker {number}", label=f"host {number}")
    with pytest.raises(CannotMove, match=r"host 0 .*host 2 \(process 1\) and 2 more"):
        await move(other, store)


async def test_what_a_dead_worker_left_is_rescued_and_moved(store: TimedStore, other: TimedStore):
    running = await a_running_task(other, await sign_on(other))
    other.clock_offset += LEASE + SECOND
    _, moved = await move(other, store)
    assert moved.tasks == 1
    [task] = await waiting(store)
    assert (task.id, task.run, task.crashes, task.attempt) == (running.id, 1, 1, 0)
    assert (await other.census()).workers == ()


async def test_a_worker_that_comes_in_between_stops_the_move(store: TimedStore, other: TimedStore):
    await other.add(calls := some_calls(FIRST_BATCH + 1))
    await_worker = between(other, "forget", lambda: sign_on(other))
    with pytest.raises(CannotMove, match="workers are signed on"):
        await move(await_worker, store)
    assert ids_of(await waiting(store)) == ids_of(calls[:FIRST_BATCH])
    assert ids_of(await waiting(other)) == ids_of(calls[FIRST_BATCH:])


async def test_what_is_claimed_in_between_is_lost_by_neither_store_and_told(store: TimedStore, other: TimedStore):
    await other.add(some_calls(3))

    async def work() -> None:
        await other.claim(await sign_on(other), limit=1, suspects=False)

    with pytest.raises(CannotMove, match=r"1 tasks were claimed or cancelled.*in both stores now: .*\(running\)"):
        await move(between(other, "forget", work), store)
    assert len(await waiting(store)) == 3
    assert [task.state for task in await other.find(Search(), limit=10)] == [State.RUNNING]


async def test_workers_may_run_there_while_tasks_come(store: TimedStore, other: TimedStore, worker: WorkerId):
    line = a_line(FIRST_BATCH + 1)
    await other.add(line)
    order: list[TaskId] = []

    async def work() -> None:
        claimed = await claim_all(store, worker)
        order.extend(ids_of(claimed))
        await end_all(store, claimed)

    await move(between(other, "forget", work), store)
    while await waiting(store):
        await work()
    assert order == ids_of(line)


async def test_a_chain_that_has_begun_brings_the_results_that_it_takes(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    group = [replace(call, link=replace(call.link, source=call.link.needs or None)) for call in a_group(3) if call.link]
    await store.add(group)
    members = await claim_all(store, worker)
    await store.settle([done(members[0].claim, result='"first"'), outcome(members[1].claim, Ending.FAILED)])
    await store.sign_off(worker)
    await move(store, other)
    there = await sign_on(other)
    [member] = await claim_all(other, there)
    assert member.id == members[2].id
    last = await the_task(other, group[3].id)
    assert (last.held, last.after) == (Hold.AFTER, member.id)
    assert last.link is not None
    assert (last.link.needs, last.link.given) == ((members[1].id, member.id), {members[0].id: '"first"'})
    await end_all(other, [member])
    task = await the_task(other, group[3].id)
    assert task.state is State.CANCELLED, "what failed in the other store is not done here"
    assert await other.retry([group[3].id]) == []
