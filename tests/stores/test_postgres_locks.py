"""Rows and tables that somebody keeps locked, and writes that weigh much: nobody else is held up by them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import psycopg
import pytest

from afterwards.errors import AfterwardsError, StoreUnavailable
from afterwards.outcomes import done
from afterwards.stores import store_for
from afterwards.tasks import Woken
from tests import databases, servers
from tests.contract.builders import LEASE, TimedStore, a_call, a_running_task, claim_all, ids_of, sign_on, some_calls

PATIENCE = timedelta(seconds=1)
LOCK_ALL_ROWS = "SELECT 1 FROM afterwards_tasks FOR UPDATE"


def a_store(url: str, *, add_timeout: timedelta) -> TimedStore:
    return cast(TimedStore, store_for(url, add_timeout=add_timeout))


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.fixture
async def store(url: str) -> AsyncIterator[TimedStore]:
    store = a_store(url, add_timeout=timedelta(seconds=20))
    await store.open()
    yield store
    await store.close()


async def test_several_rows_that_are_locked_hold_up_nobody_else(store: TimedStore, url: str):
    worker = await sign_on(store)
    locked = [await a_running_task(store, worker) for _ in range(5)]
    with psycopg.connect(url) as connection:
        connection.execute(LOCK_ALL_ROWS)
        waiting = [asyncio.ensure_future(store.settle([done(task.claim)])) for task in locked]
        async with asyncio.timeout(10):
            for _ in range(5):
                call, free = a_call(), await a_running_task(store, worker)
                await store.add([call])
                assert ids_of(await claim_all(store, worker)) == [call.id]
                assert (await store.settle([done(free.claim)])).held == [free.claim]
        assert not any(settling.done() for settling in waiting)
    assert [(await settling).held for settling in waiting] == [[task.claim] for task in locked]


async def test_a_table_that_is_locked_costs_many_callers_no_more_than_one(store: TimedStore, url: str):
    hurried = a_store(url, add_timeout=PATIENCE)
    await hurried.add([a_call()])

    async def refused(began: float) -> float:
        with pytest.raises(StoreUnavailable, match="is locked"):
            await hurried.add([a_call()])
        return time.monotonic() - began

    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE afterwards_tasks IN ACCESS EXCLUSIVE MODE")
        took = await asyncio.gather(*(refused(time.monotonic()) for _ in range(200)))
    assert max(took) < PATIENCE.total_seconds() + 3.0, "200 of them, a lock's patience each, would be 20 s and more"
    await hurried.add([a_call()])
    await hurried.close()


async def test_a_due_task_that_is_locked_does_not_make_its_worker_spin(store: TimedStore, url: str):
    worker = await sign_on(store)
    await store.add([call := a_call()])
    with psycopg.connect(url) as connection:
        connection.execute(LOCK_ALL_ROWS)
        ends, rounds = time.monotonic() + 1.0, 0
        while time.monotonic() < ends:
            assert await claim_all(store, worker) == []
            assert await store.wait(worker, timeout=1.0, suspects=True) is Woken.READY
            rounds += 1
    assert rounds <= 50
    assert ids_of(await claim_all(store, worker)) == [call.id]


async def test_large_calls_at_once_are_written_in_as_many_writes_as_they_need(url: str):
    store = a_store(url, add_timeout=PATIENCE)
    await store.add([a_call()])
    calls = some_calls(200, arguments='{"n": "' + "x" * 1_000_000 + '"}')
    added = await asyncio.gather(*(store.add([call]) for call in calls), return_exceptions=True)
    assert [error for error in added if isinstance(error, AfterwardsError)] == []
    worker = await sign_on(store)
    assert len(await store.claim(worker, limit=3, suspects=True)) == 3
    await store.close()


WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_a_notice_is_never_given_in_a_transaction_that_does_more():
    with servers.postgres(log_statement="all", log_line_prefix="backend %p ") as server:
        store = a_store(server.url, add_timeout=timedelta(seconds=20))
        await store.open()
        worker = await sign_on(store)
        for _ in range(3):
            with psycopg.connect(server.url) as connection:
                connection.execute("SELECT 1 FROM afterwards_workers FOR UPDATE")
                renewing = asyncio.ensure_future(store.renew(worker, lease=LEASE))
                while databases.column(server.url, WAITS) == [0]:
                    await asyncio.sleep(0.005)
                await store.add([a_call()])  # whose notice has to wait, and meets what else is asked for
                await asyncio.gather(*(store.workers() for _ in range(3)))
            await renewing
        await store.close()
        assert notices_alone(server.log) >= 3


def notices_alone(log: str) -> int:
    """How many were given; fails if one stood in a transaction."""
    inside, count = set[str](), 0
    said = r"^backend (\d+) LOG: .*?: (BEGIN|COMMIT|ROLLBACK|.*pg_notify)"
    for backend, says in re.findall(said, log, re.MULTILINE):
        assert "pg_notify" not in says or backend not in inside
        count += "pg_notify" in says
        (inside.add if says == "BEGIN" else inside.discard)(backend)
    return count
