"""What an administrator has set for a database, its users or the server: every promise holds all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import pytest

from afterwards.outcomes import done
from afterwards.stores import store_for
from afterwards.stores.postgres.address import address_of
from afterwards.stores.postgres.driver import Connection
from afterwards.stores.postgres.link import OF_PEOPLE, OF_WORKERS, Link
from tests import databases
from tests.contract.builders import TimedStore, a_call, a_running_task, claim_all, ids_of, sign_on, some_calls, the_task

ROUNDS = 40


@pytest.fixture(params=["", "?pooled=true"], ids=["direct", "pooled"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a database whose settings are taken back afterwards."""
    url = databases.new(request)
    yield f"{url}{request.param}"
    databases.run(url, f"ALTER DATABASE {url.rpartition('/')[2]} RESET ALL")


def set_there(url: str, **settings: str) -> None:
    plain = url.partition("?")[0]
    for name, value in settings.items():
        databases.run(plain, f"ALTER DATABASE {plain.rpartition('/')[2]} SET {name} = '{value}'")


def a_store(url: str) -> TimedStore:
    return cast(TimedStore, store_for(url, add_timeout=timedelta(seconds=20)))


async def test_a_day_has_24_hours_wherever_the_server_is(url: str):
    set_there(url, timezone="America/New_York")
    store = a_store(url)
    for days in (120, 182, 240):  # from any day of the year, one of these is over a change of the clocks
        await store.add([call := a_call(delay=timedelta(days=days))])
        task = await the_task(store, call.id)
        assert task.due - task.added == timedelta(days=days)
    await store.close()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_a_follower_is_never_stuck_whatever_isolation_is_the_default(url: str, level: str):
    set_there(url, default_transaction_isolation=level)
    one, other = a_store(url), a_store(url)
    worker = await sign_on(one)
    heads = [await a_running_task(one, worker) for _ in range(ROUNDS)]
    followers = [a_call(after=head.id) for head in heads]
    for head, follower in zip(heads, followers, strict=True):
        await asyncio.gather(one.settle([done(head.claim)]), other.add([follower]))
    assert (await one.census()).held == {}
    assert set(ids_of(await claim_all(other, worker))) == set(ids_of(followers))
    await one.close()
    await other.close()


async def test_short_timeouts_of_the_server_cost_nothing_but_another_try(url: str):
    set_there(url, statement_timeout="60ms", idle_in_transaction_session_timeout="20ms", idle_session_timeout="100ms")
    store = a_store(url)
    worker = await sign_on(store)
    calls = some_calls(2000)
    await asyncio.gather(*(store.add([call]) for call in calls))
    connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'afterwards' AND state = 'idle'"
    async with asyncio.timeout(10):
        while databases.column(url.partition("?")[0], connected) != [0]:
            await asyncio.sleep(0.02)
    claimed = await store.claim(worker, limit=500, suspects=True)
    assert len((await store.settle([done(task.claim) for task in claimed])).held) == 500
    await store.close()


async def prepare_nothing(_: Connection) -> None: ...


@pytest.mark.parametrize(
    ("settings", "mode"),
    [(OF_WORKERS, "force_generic_plan"), (OF_PEOPLE, "force_custom_plan")],
    ids=["workers", "people"],
)
async def test_statements_are_planned_as_is_best_for_who_asks_unless_a_pooler_stands_between(
    url: str, settings: dict[str, str], mode: str
):
    link = Link(address_of(url), durable=True, settings=settings, prepare=prepare_nothing)
    async with link.transaction(timedelta(0), timeout=10.0, sent_again=False):
        [[planned]] = await (await link.open(10.0)).fetch("SHOW plan_cache_mode")
        [[bitmaps]] = await (await link.open(10.0)).fetch("SHOW enable_bitmapscan")
    assert planned == ("auto" if "pooled" in url else mode)
    assert bitmaps == settings.get("enable_bitmapscan", "on")
    await link.close()
