"""A worker that claims much begins where the lines began a moment ago, and misses nothing by that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import psycopg
import pytest

from afterwards.quotas import Quota
from afterwards.stores import store_for
from afterwards.stores.postgres import heads
from afterwards.stores.postgres.heads import TO_BE_FOUND, Heads, Lines
from afterwards.tasks import WorkerId
from tests import databases
from tests.contract.builders import (
    EVERYTHING,
    MINUTE,
    TimedStore,
    a_call,
    claim_all,
    end_all,
    ids_of,
    sign_on,
    some_calls,
)
from tests.stores.explained import as_lists, nodes, plan_of

DEAD = 20_000
CLAIMABLE = "afterwards_claimable"
WAITING = """
INSERT INTO afterwards_tasks (id, name, arguments, queue, priority, state, due, added)
SELECT gen_random_uuid(), 'tests:work', '{{}}', 'default', 5, 'waiting', now() + n * interval '1 microsecond', now()
FROM generate_series(1, {count}) AS n
"""
DIE = "UPDATE afterwards_tasks SET state = 'done', ended = now(), freed = true WHERE sequence <= {count}"
FIRST = """
SELECT queue, priority, due, sequence FROM afterwards_tasks WHERE state = 'waiting' AND held IS NULL AND NOT suspect
ORDER BY queue, priority, due, sequence LIMIT 1
"""


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.fixture
async def store(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TimedStore]:
    """One that has claimed much, and looks for its heads no more."""
    monkeypatch.setattr(heads, "MUCH", 1)
    monkeypatch.setattr(heads, "FRESH", 3600.0)
    store = cast(TimedStore, store_for(url))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def worker(store: TimedStore) -> WorkerId:
    return await sign_on(store)


async def begin(store: TimedStore, worker: WorkerId) -> None:
    """From the third claim on the store goes by heads that it knows."""
    await store.add(some_calls(3))
    for _ in range(2):
        assert len(await claim_all(store, worker, limit=1)) == 1


async def test_claims_go_on_in_order_from_the_heads(store: TimedStore, worker: WorkerId):
    await begin(store, worker)
    calls = some_calls(5)
    await store.add(calls)
    assert len(await claim_all(store, worker, limit=1)) == 1
    assert ids_of(await claim_all(store, worker, limit=2)) == ids_of(calls[:2])
    assert ids_of(await claim_all(store, worker, limit=3)) == ids_of(calls[2:])


async def test_what_has_come_before_the_heads_is_claimed_by_who_finds_too_little(store: TimedStore, worker: WorkerId):
    await begin(store, worker)
    earlier, elsewhere, urgent = a_call(delay=-MINUTE), a_call(queue="elsewhere"), a_call(priority=9)
    await store.add([earlier, elsewhere, urgent])
    claimed = await claim_all(store, worker, limit=4)
    assert len(claimed) == 4
    assert set(ids_of(claimed)) > {earlier.id, elsewhere.id, urgent.id}


async def test_what_has_come_before_the_heads_is_claimed_in_its_turn_a_moment_later(
    store: TimedStore, worker: WorkerId, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(heads, "FRESH", 0.0)
    await begin(store, worker)
    await store.add([earlier := a_call(delay=-MINUTE)])
    assert ids_of(await claim_all(store, worker, limit=1)) == [earlier.id]


async def test_who_finds_nothing_from_the_heads_finds_what_has_come_before_them(store: TimedStore, worker: WorkerId):
    await begin(store, worker)
    await claim_all(store, worker)
    await store.add([earlier := a_call(delay=-MINUTE)])
    assert ids_of(await claim_all(store, worker)) == [earlier.id]


async def test_one_suspect_is_claimed_though_two_looks_were_made(store: TimedStore, worker: WorkerId):
    await begin(store, worker)
    await claim_all(store, worker)
    await store.add(some_calls(3, crashes=2))
    casualty = await sign_on(store, "casualty")
    await claim_all(store, casualty)
    await store.rescue(known_dead=[casualty], expired=False, limit=EVERYTHING)
    assert [task.suspect for task in await claim_all(store, worker)] == [True]


async def test_whom_a_gate_lets_through_has_waited_since_before_the_heads(store: TimedStore):
    worker = await sign_on(store, quotas=(Quota(name="function:tests:work", most=1),))
    first, second = some_calls(2)
    await store.add([first, second, *some_calls(3, name="tests:free")])
    [running, _] = await claim_all(store, worker, limit=2)
    assert [task.name for task in await claim_all(store, worker, limit=1)] == ["tests:free"]
    await end_all(store, [running])
    assert ids_of(await claim_all(store, worker, limit=1)) == [second.id]


async def test_a_claim_from_the_heads_does_not_read_what_died_before_them(
    store: TimedStore, worker: WorkerId, url: str
):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE afterwards_tasks SET (autovacuum_enabled = off)")
        connection.execute(WAITING.format(count=DEAD + 100).encode())
        connection.execute(DIE.format(count=DEAD).encode())
        values = {"worker": worker, "claimers": [worker], "limit": 10, "suspects": True, "unknown": []}
        known = Heads()
        known.found(connection.execute(FIRST).fetchall())  # which notes in the index that the others are dead

        def pages(lines: Lines) -> int:
            plan = plan_of(connection, "claim_tasks", **values, asks=True, takes=True, **as_lists(lines))
            return sum(node["Shared Hit Blocks"] for node in nodes(plan) if node.get("Index Name") == CLAIMABLE)

        assert pages(TO_BE_FOUND) > 2 * pages(known.lines)
        assert pages(known.lines) < 60
