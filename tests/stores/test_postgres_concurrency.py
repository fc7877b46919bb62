"""Several writers at once on one database: whatever overlaps, no task is lost, doubled or stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import psycopg
import pytest

from afterwards.outcomes import Ending, done
from afterwards.stores import store_for
from afterwards.tasks import Hold, Search, State, Task, WorkerId
from tests import databases
from tests.contract.builders import (
    EVERYTHING,
    TimedStore,
    a_call,
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

ROUNDS = 40


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.fixture
async def one(url: str) -> AsyncIterator[TimedStore]:
    store = cast(TimedStore, store_for(url))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other(url: str, one: TimedStore) -> AsyncIterator[TimedStore]:
    """Another process would be no different: it has connections of its own."""
    store = cast(TimedStore, store_for(url))
    await store.open()
    yield store
    await store.close()


async def nobody_is_held(store: TimedStore) -> bool:
    return Hold.AFTER not in (await store.census()).held


async def test_ten_processes_may_make_the_tables_at_once(url: str):
    stores = [store_for(url) for _ in range(10)]
    await asyncio.gather(*(store.open() for store in stores))
    assert len({store.identity for store in stores}) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_follower_that_comes_while_its_former_is_settled_is_not_stuck(one: TimedStore, other: TimedStore):
    worker = await sign_on(one)
    heads = [await a_running_task(one, worker) for _ in range(ROUNDS)]
    followers = [a_call(after=head.id) for head in heads]
    for head, follower in zip(heads, followers, strict=True):
        await asyncio.gather(one.settle([done(head.claim)]), other.add([follower]))
    assert await nobody_is_held(one)
    assert set(ids_of(await claim_all(other, worker))) == set(ids_of(followers))


async def test_a_follower_that_comes_while_its_former_is_cancelled_is_not_stuck(one: TimedStore, other: TimedStore):
    heads = some_calls(ROUNDS)
    await one.add(heads)
    for head in heads:
        await asyncio.gather(one.cancel([head.id]), other.add([a_call(after=head.id)]))
    assert await nobody_is_held(one)


async def test_a_line_closes_over_a_task_that_is_cancelled_while_its_former_is_settled(
    one: TimedStore, other: TimedStore
):
    worker = await sign_on(one)
    lines = [a_line(4) for _ in range(ROUNDS)]
    for line in lines:
        await one.add(line)
    heads = {task.id: task for task in await claim_all(one, worker)}
    for head, second, third, _ in lines:
        await asyncio.gather(
            one.settle([done(heads[head.id].claim)]), other.cancel([second.id]), one.cancel([third.id])
        )
    for _ in range(3):
        await end_all(one, await claim_all(one, worker))
    census = await one.census()
    assert (census.held, census.by_state[State.WAITING]) == ({}, 0)


async def test_of_a_rescue_and_a_settlement_one_wins(one: TimedStore, other: TimedStore):
    for round_number in range(ROUNDS):
        worker = await sign_on(one, f"worker {round_number}")
        task = await a_running_task(one, worker, crashes=9)
        settled, rescued = await asyncio.gather(
            one.settle([done(task.claim)]), other.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
        )
        rescued += await other.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
        assert len(settled.held) + len(rescued) == 1
        assert (await the_task(one, task.id)).state is (State.DONE if settled.held else State.WAITING)
    assert await one.workers() == []


async def test_two_rescuers_return_each_task_once(one: TimedStore, other: TimedStore):
    dead = await sign_on(one)
    added = await one.add(some_calls(200), claimed_by=dead)
    rescued: list[Task] = []
    while len(rescued) < 200:
        for some in await asyncio.gather(
            *(store.rescue(known_dead=[dead], expired=False, limit=30) for store in (one, other))
        ):
            rescued += some
    assert sorted(ids_of(rescued)) == sorted(task.id for task in added)
    assert {task.crashes for task in await one.find(Search(), limit=EVERYTHING)} == {1}


async def test_a_worker_that_claims_while_it_is_rescued_leaves_nothing_running(one: TimedStore, other: TimedStore):
    for round_number in range(ROUNDS):
        worker = await sign_on(one, f"worker {round_number}")
        await one.add([a_call(crashes=9)])
        await asyncio.gather(
            claim_all(one, worker),
            one.add([a_call(crashes=9)], claimed_by=worker),
            other.rescue(known_dead=[worker], expired=False, limit=EVERYTHING),
        )
        while await other.workers():
            await other.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
        assert await one.find(Search(state=State.RUNNING), limit=1) == []


async def test_a_worker_that_is_handed_a_task_while_it_signs_off_leaves_nothing_running(
    one: TimedStore, other: TimedStore
):
    for round_number in range(ROUNDS):
        worker = await sign_on(one, f"worker {round_number}")
        await asyncio.gather(
            *(other.add([a_call()], claimed_by=worker) for _ in range(3)),
            claim_all(other, worker),
            one.sign_off(worker),
        )
        assert await one.find(Search(state=State.RUNNING), limit=1) == []


async def test_an_id_that_is_added_twice_at_once_is_stored_and_claimed_once(one: TimedStore, other: TimedStore):
    worker = await sign_on(one)
    for line in [a_line(3) for _ in range(ROUNDS)]:
        answers = await asyncio.gather(*(store.add(line, claimed_by=worker) for store in (one, other)))
        claimed = [added.claimed for answer in answers for added in answer if added.claimed is not None]
        assert ids_of(claimed) == [line[0].id]
    assert len(await one.find(Search(), limit=EVERYTHING)) == 3 * ROUNDS


async def test_claims_at_once_share_the_tasks_and_none_waits_for_another(one: TimedStore, other: TimedStore):
    workers = [await sign_on(one, name) for name in "abcd"]
    calls = [a_call(queue=f"queue {number % 3}", priority=number % 4) for number in range(400)]
    await one.add(calls)
    claimed: list[Task] = []
    while len(claimed) < 400:
        for some in await asyncio.gather(
            *(store.claim(worker, limit=15, suspects=True) for worker in workers for store in (one, other))
        ):
            claimed += some
    assert sorted(ids_of(claimed)) == sorted(ids_of(calls))


async def test_a_name_that_becomes_known_while_its_task_is_settled_as_unknown_is_freed_by_the_next_look(
    one: TimedStore, other: TimedStore
):
    ignorant = await sign_on(one, "ignorant")
    for round_number in range(ROUNDS):
        task = await a_running_task(one, ignorant, name="tests:strange")
        await asyncio.gather(
            one.settle([outcome(task.claim, Ending.UNKNOWN)]),
            sign_on(other, f"knowing {round_number}", functions=("tests:strange",)),
        )
        await other.free_unknown(await other.unknown_names())
        assert (await the_task(one, task.id)).held is None


async def test_a_row_that_somebody_has_locked_holds_up_nobody_else(one: TimedStore, url: str):
    worker = await sign_on(one)
    locked, free = await a_running_task(one, worker), await a_running_task(one, worker)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM afterwards_tasks WHERE id = %s FOR UPDATE", [locked.id])
        waiting = asyncio.ensure_future(one.settle([done(locked.claim)]))
        following = asyncio.ensure_future(one.add([a_call(after=locked.id)]))
        async with asyncio.timeout(2.0):
            assert (await one.settle([done(free.claim)])).held == [free.claim]
            await one.add(some_calls(10))
            assert len(await claim_all(one, worker)) == 10
        assert not waiting.done()
        assert not following.done()
    assert (await waiting).held == [locked.claim]
    await following
    assert await nobody_is_held(one)


async def test_a_worker_known_to_be_dead_whose_row_is_locked_keeps_its_tasks_until_it_is_free(
    one: TimedStore, url: str
):
    dead = await sign_on(one)
    task = await a_running_task(one, dead)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM afterwards_workers FOR KEY SHARE")
        assert await one.rescue(known_dead=[dead], expired=False, limit=EVERYTHING) == []
        assert await claim_all(one, WorkerId("nobody")) == []
    assert ids_of(await one.rescue(known_dead=[dead], expired=False, limit=EVERYTHING)) == [task.id]
