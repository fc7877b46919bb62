"""What is true of the store in PostgreSQL alone: URLs, notices, poolers, forks, and what `check` says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit

import psycopg
import pytest

from afterwards.checkup import Finding, Level
from afterwards.errors import UnsupportedURL
from afterwards.outcomes import done
from afterwards.stores import examine, store_for
from afterwards.stores.postgres.address import address_of
from afterwards.stores.postgres.checkup import about_durability, about_primary, about_version
from afterwards.stores.postgres.migrations import migrations
from afterwards.stores.postgres.store import PostgresStore
from afterwards.tasks import Search, State, Woken
from tests import databases
from tests.contract.builders import (
    EVERYTHING,
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
from tests.stores.forking import CHILD_GOES_FIRST, PARENT_GOES_FIRST


def a_store(url: str) -> TimedStore:
    return cast(TimedStore, store_for(url, add_timeout=timedelta(seconds=20)))


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.fixture
async def store(url: str) -> AsyncIterator[TimedStore]:
    store = a_store(url)
    await store.open()
    yield store
    await store.close()


# URLs


@pytest.mark.parametrize(
    ("url", "description"),
    [
        ("postgresql://ann:secret@db:5433/shop", "PostgreSQL database shop on db:5433"),
        ("postgres://db/shop?sslmode=require", "PostgreSQL database shop on db"),
        ("postgresql+asyncpg://ann:se%40cret@db/shop", "PostgreSQL database shop on db"),
        ("postgresql://ann:secret@one:5432,two:5433/shop", "PostgreSQL database shop on one:5432,two:5433"),
        ("postgresql://[::1]:5432/shop", "PostgreSQL database shop on [::1]:5432"),
        ("postgresql:///shop?host=/run/postgresql", "PostgreSQL database shop on /run/postgresql"),
        ("postgresql://%2Frun%2Fpostgresql/shop", "PostgreSQL database shop on /run/postgresql"),
        ("postgresql://ann:secret@db", "PostgreSQL on db"),
    ],
)
def test_a_url_names_a_database_and_its_description_no_password(url: str, description: str):
    assert store_for(url).description == description


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ann:se#cret@db/shop", "write %23"),
        ("postgresql://ann:se@cret@db/shop", "write %40"),
        ("postgresql://ann:se/cret@db/shop", "port in a postgresql:// URL is a number"),
        ("postgresql://ann:secret@db:port/shop", "port in a postgresql:// URL is a number"),
        ("postgresql://ann:secret@[::1/shop", "brackets"),
        ("postgresql://ann:secret@db/shop?pooled=perhaps", "true or false"),
    ],
)
def test_a_url_that_cannot_be_one_is_refused_in_words_without_the_password(url: str, words: str):
    with pytest.raises(UnsupportedURL, match=words) as refused:
        store_for(url)
    assert "cret" not in str(refused.value)


def test_nobody_is_asked_for_tls_on_the_loopback_unless_it_is_said():
    assert address_of("postgresql://127.0.0.1/shop").ssl is False
    assert address_of("postgresql://127.0.0.1/shop?sslmode=require").ssl is None
    assert address_of("postgresql://db/shop").ssl is None


def test_of_several_hosts_the_one_that_takes_writes_is_wanted():
    assert address_of("postgresql://one,two/shop").target == "read-write"
    assert address_of("postgresql://one/shop").target is None


def test_a_missing_driver_is_told_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch):
    for module in [name for name in sys.modules if name.startswith("afterwards.stores.postgres")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for asks in (store_for, examine):
        with pytest.raises(UnsupportedURL, match=r"afterwards\[postgres\]"):
            asks("postgresql://ann:secret@db/shop")


# Notices between processes


async def test_there_are_at_most_a_hundred_notices_a_second_however_many_adds(store: TimedStore, url: str):
    worker = await sign_on(store)
    await store.open()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"LISTEN afterwards_{store.identity}".encode())
        began = time.monotonic()
        added = 0
        while time.monotonic() - began < 1.0:
            await asyncio.gather(*(store.add([a_call()]) for _ in range(5)))
            added += 5
        took = time.monotonic() - began
        notices = list(connection.notifies(timeout=0.5))
    assert added > 5 * len(notices), "some were given together"
    assert 5 <= len(notices) <= 100 * took + 3
    assert len(await claim_all(store, worker, limit=10_000)) == added


async def test_a_commit_of_the_users_right_after_a_fork_gives_notice_too(store: TimedStore, url: str):
    rings = cast(PostgresStore, store).joint.ring
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"LISTEN afterwards_{store.identity}".encode())
        cast(PostgresStore, store).before_fork()
        rings()
        cast(PostgresStore, store).after_fork_in_parent()
        notices = connection.notifies(timeout=10, stop_after=1)
        assert {notice.channel for notice in notices} == {f"afterwards_{store.identity}"}


@asynccontextmanager
async def without_notices(url: str) -> AsyncIterator[str]:
    """A way to the server on which no notice comes through, as with a pooler in transaction mode."""
    parts = urlsplit(url)

    async def pass_through(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pass_all(near_reader, far_writer))
            group.create_task(pass_messages(far_reader, near_writer))

    async def pass_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)
        writer.close()

    async def pass_messages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(5)
                body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
                if head[:1] != b"A":
                    writer.write(head + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(pass_through, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}"


async def test_where_no_notice_comes_through_it_says_so_and_a_look_every_second_does(store: TimedStore, url: str):
    async with without_notices(url) as way:
        deaf = a_store(way)
        await deaf.open()
        [warning] = deaf.warnings()
        assert "pooled=true" in warning
        worker = await sign_on(deaf)
        waiting = asyncio.ensure_future(deaf.wait(worker, timeout=20, suspects=True))
        await asyncio.sleep(0.1)
        added = time.monotonic()
        await store.add([a_call()])
        assert await waiting is Woken.READY
        assert time.monotonic() - added < 2.0
        await deaf.close()


# A pooler in transaction mode


async def test_a_pooled_store_keeps_nothing_in_its_sessions(url: str):
    store = a_store(f"{url}?pooled=true")
    await store.open()
    assert store.warnings() == []
    worker = await sign_on(store)
    line = a_line(3)
    [head, *_] = await store.add(line, claimed_by=worker)
    assert head.claimed is not None
    ran = [head.claimed]
    while len(ran) < 3:
        ran += (await store.settle([done(ran[-1].claim)], claimed_by=worker)).claimed
    await end_all(store, ran[-1:])
    await store.add(calls := some_calls(20))
    assert ids_of(await claim_all(store, worker)) == ids_of(calls)
    await store.cancel([calls[0].id])
    assert (await store.census()).by_state[State.DONE] == 3
    with psycopg.connect(url, autocommit=True) as connection:
        [[listening]] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchall()
    assert listening == 0
    await store.close()


async def test_a_pooled_store_gives_up_a_lock_in_time_too(url: str):
    store = a_store(f"{url}?pooled=true")
    worker = await sign_on(store)
    locked, free = [one.claimed for one in await store.add(some_calls(2), claimed_by=worker)]
    assert locked is not None
    assert free is not None
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM afterwards_tasks WHERE id = %s FOR UPDATE", [locked.id])
        waiting = asyncio.ensure_future(store.settle([done(locked.claim)]))
        async with asyncio.timeout(2.0):
            assert (await store.settle([done(free.claim)])).held == [free.claim]
        assert not waiting.done()
    assert (await waiting).held == [locked.claim]
    await store.close()


# Processes and threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("who_goes_first", [CHILD_GOES_FIRST, PARENT_GOES_FIRST])
def test_both_sides_of_a_fork_go_on_and_nothing_is_lost(url: str, who_goes_first: str):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.stores.forking"]
    run = subprocess.run([*command, url, who_goes_first], capture_output=True, text=True, timeout=50, check=False)
    assert run.returncode == 0, run.stderr
    said, *names = run.stdout.splitlines()
    assert said == "child ended with 0", run.stderr
    assert set(names) == {"parent:before", *(f"{who}:{number}" for who in ("parent", "child") for number in range(50))}


async def test_a_closed_store_leaves_neither_threads_nor_connections_behind(url: str):
    before = set(threading.enumerate())
    store = a_store(url)
    await store.add([a_call()])
    await store.census()
    await sign_on(store)
    await store.close()
    left = set(threading.enumerate()) - before
    assert [thread for thread in left if thread.name == "afterwards-postgres"] == []
    counted = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with asyncio.timeout(5):
        while databases.column(url, counted) != [0]:
            await asyncio.sleep(0.02)


async def test_a_process_takes_no_more_than_four_connections(store: TimedStore, url: str):
    worker = await sign_on(store)
    await asyncio.gather(
        *(store.add([a_call()]) for _ in range(50)),
        *(store.find(Search(), limit=1) for _ in range(5)),
        *(claim_all(store, worker) for _ in range(5)),
        *(store.census() for _ in range(5)),
    )
    counted = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert databases.column(url, counted) == [4]


async def test_two_stores_may_share_a_database_in_schemas_of_their_own(url: str):
    databases.run(url, "CREATE SCHEMA one", "CREATE SCHEMA two")
    one, two = a_store(f"{url}?search_path=one"), a_store(f"{url}?search_path=two")
    await one.add([call := a_call()])
    await two.open()
    assert one.identity != two.identity
    assert await two.find(Search(), limit=EVERYTHING) == []
    assert (await the_task(one, call.id)).state is State.WAITING
    await one.close()
    await two.close()
    databases.run(url, "DROP SCHEMA one CASCADE", "DROP SCHEMA two CASCADE")


# What `check` says


async def test_a_checkup_of_a_sound_store_finds_nothing_wrong_but_the_tests_own_settings(store: TimedStore, url: str):
    await store.open()
    checkup = examine(url)
    assert (checkup.exists, checkup.behind, checkup.unreadable) == (True, False, "")
    wrong = [finding.subject for finding in checkup.findings if finding.level is Level.WRONG]
    assert set(wrong) <= {"durability"}, "the tests' server may have fsync off"
    assert f"version {len(migrations())}" in says(checkup.findings, "schema")


def test_a_checkup_makes_nothing(url: str):
    checkup = examine(url)
    assert (checkup.exists, checkup.behind) == (False, False)
    assert "no tables yet" in says(checkup.findings, "schema")
    assert databases.column(url, "SELECT to_regclass('afterwards_schema')") == [None]


def test_a_checkup_of_a_server_that_is_not_there_says_so():
    checkup = examine("postgresql://ann:secret@127.0.0.1:1/shop")
    assert not checkup.exists
    assert "cannot be used now" in checkup.unreadable
    assert "secret" not in str(checkup)


def test_what_may_be_lost_is_told():
    sound = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    assert about_durability(sound).level is Level.WELL
    assert about_durability({**sound, "synchronous_commit": "off"}).level is Level.NOTE
    assert about_durability({**sound, "fsync": "off"}).level is Level.WRONG
    assert about_primary(is_standby=True).level is Level.WRONG
    assert about_version(120_011, "12.11").level is Level.WRONG


def says(findings: tuple[Finding, ...], subject: str) -> str:
    return next(finding.says for finding in findings if finding.subject == subject)
