"""The schema from one version to the next: by whom, beside whom, and what becomes of it when that breaks off."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from afterwards.errors import StoreUnavailable, StoreUnusable
from afterwards.migrations import Migration, Schema, read
from afterwards.outcomes import done
from afterwards.stores import store_for
from afterwards.stores.sqlite import migrations
from afterwards.tasks import Search, State
from tests.contract.builders import TimedStore, a_call, claim_all, ids_of, sign_on, some_calls, the_task
from tests.stores import newer
from tests.stores.builders import PATIENCE, a_store, another_connection, empty_folder, files_in

NEWEST = len(migrations.migrations())
TAKEN = [(step.version, 1) for step in migrations.migrations()]
HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


@contextmanager
def knowing(steps: list[Migration]) -> Iterator[None]:
    """Inside the block the code knows these steps, as another version does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "migrations", lambda: steps)
        yield


def strict(path: Path) -> TimedStore:
    return cast(TimedStore, store_for(f"sqlite:///{path}", add_timeout=PATIENCE, migrate=False))


async def make(path: Path) -> None:
    store = a_store(path)
    await store.open()
    await store.close()


def versions(path: Path) -> list[tuple[int, int]]:
    with another_connection(path) as connection:
        return connection.execute("SELECT version, oldest_code FROM afterwards_schema ORDER BY version").fetchall()


def colours(path: Path) -> list[str]:
    with another_connection(path) as connection:
        return [colour for (colour,) in connection.execute("SELECT colour FROM afterwards_colours")]


def start_newer(path: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "src")])}
    return subprocess.Popen([sys.executable, str(HERE / "newer.py"), str(path), *words], env=environment)


# Old and new, side by side


async def test_a_newer_version_takes_its_step_and_keeps_every_task(tmp_path: Path):
    path = tmp_path / "tasks.db"
    old = a_store(path)
    await old.add(calls := some_calls(3))
    with knowing(newer.newer()):
        store = a_store(path)
        assert await store.schema() == Schema(version=NEWEST, newest=NEWEST + 1)
        await store.open()
        assert await store.schema() == Schema(version=NEWEST + 1, newest=NEWEST + 1)
        assert ids_of(await store.hand_over(limit=10)) == ids_of(calls)
        await store.close()
    assert versions(path) == [*TAKEN, (NEWEST + 1, 1)]
    await old.close()


async def test_old_and_new_work_beside_each_other(tmp_path: Path):
    path = tmp_path / "tasks.db"
    old = a_store(path)
    old_worker = await sign_on(old, "old")
    await old.add(calls := some_calls(3), claimed_by=None)
    [claimed, *_] = await old.claim(old_worker, limit=1, suspects=False)
    with knowing(newer.newer()):
        new = a_store(path)
        new_worker = await sign_on(new, "new")
        [taken] = await new.claim(new_worker, limit=1, suspects=False)
        await new.add([late := a_call()])
    assert (await old.settle([done(claimed.claim)])).held == [claimed.claim]
    assert (await new.settle([done(taken.claim)])).held == [taken.claim]
    await old.add([later := a_call()])
    assert set(ids_of(await claim_all(new, new_worker))) == {calls[2].id, late.id, later.id}
    restarted = a_store(path)  # the old version once more, on the newer file
    await restarted.open()
    assert await restarted.schema() == Schema(version=NEWEST + 1, newest=NEWEST)
    assert len(await restarted.find(Search(state=State.RUNNING), limit=10)) == 3
    for store in (old, new, restarted):
        await store.close()


async def test_a_step_that_old_code_must_not_see_keeps_it_out(tmp_path: Path):
    path = tmp_path / "tasks.db"
    with knowing(newer.newer(oldest_code=NEWEST + 1)):
        await make(path)
    before = path.read_bytes()
    for old in (a_store(path), strict(path)):
        for forbidden in (old.open, old.schema, lambda old=old: old.add([a_call()])):
            with pytest.raises(StoreUnusable, match=rf"version {NEWEST + 1}, which .*upgrade afterwards here too"):
                await forbidden()
        await old.close()
    assert path.read_bytes() == before


# Broken off, and all at once


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_migration_that_was_killed_has_not_happened(tmp_path: Path):
    path = tmp_path / "tasks.db"
    old = a_store(path)
    await old.add([call := a_call()])
    assert start_newer(path, "die").wait(30) == -9
    assert versions(path) == TAKEN
    with another_connection(path) as connection, pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM afterwards_colours")
    assert (await the_task(old, call.id)).state is State.WAITING
    assert start_newer(path).wait(30) == 0
    assert (versions(path), colours(path)) == ([*TAKEN, (NEWEST + 1, 1)], ["green"])
    await old.close()


@pytest.mark.parametrize("is_new", [True, False])
async def test_processes_that_migrate_at_once_take_each_step_once(tmp_path: Path, is_new: bool):
    path = tmp_path / "tasks.db"
    if not is_new:
        await make(path)
    processes = [start_newer(path) for _ in range(4)]
    assert [process.wait(50) for process in processes] == [0, 0, 0, 0]
    assert (versions(path), colours(path)) == ([*TAKEN, (NEWEST + 1, 1)], ["green"])


async def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "tasks.db"
    await make(path)
    broken = newer.newer()[-1].sql.replace("afterwards_colours (colour) VALUES", "afterwards_sounds (sound) VALUES")
    names = {f"{step.version:04}_known.sql": step.sql for step in migrations.migrations()}
    with knowing(read({**names, f"{NEWEST + 1:04}_broken.sql": broken})):
        store = a_store(path)
        with pytest.raises(Exception, match="afterwards_sounds"):
            await store.open()
        await store.close()
    assert versions(path) == TAKEN
    await make(path)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everything")
async def test_a_file_that_may_not_be_written_stays_as_it_is_until_it_may(tmp_path: Path):
    path = tmp_path / "tasks.db"
    await make(path)
    path.chmod(stat.S_IRUSR)
    with knowing(newer.newer()):
        store = a_store(path)
        with pytest.raises(StoreUnavailable, match="may not write"):
            await store.open()
        assert versions(path) == TAKEN
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        await store.open()
        await store.close()
    assert versions(path) == [*TAKEN, (NEWEST + 1, 1)]


async def test_a_file_that_sqlite_may_not_write_stays_as_it_is_until_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "tasks.db"
    await make(path)
    real = sqlite3.connect
    with monkeypatch.context() as patch, knowing(newer.newer()):
        patch.setattr(sqlite3, "connect", lambda url, **how: real(url.replace("mode=rwc", "mode=ro"), **how))
        store = a_store(path)
        with pytest.raises(StoreUnavailable, match="this user may not write the file"):
            await store.open()
    assert versions(path) == TAKEN
    with knowing(newer.newer()):
        await store.open()
        await store.close()
    assert versions(path) == [*TAKEN, (NEWEST + 1, 1)]


# Where code may not migrate


async def test_a_missing_file_is_not_made(tmp_path: Path):
    store = strict(tmp_path / "tasks.db")
    for forbidden in (store.open, lambda: store.add([a_call()]), store.census):
        with pytest.raises(StoreUnusable, match=r"no schema yet: run `afterwards migrate` once"):
            await forbidden()
    await store.close()
    assert files_in(tmp_path) == set()


async def test_a_file_without_our_tables_stays_as_it_is(tmp_path: Path):
    path = tmp_path / "app.db"
    with another_connection(path) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    store = strict(path)
    with pytest.raises(StoreUnusable, match="no schema yet"):
        await store.open()
    await store.close()
    assert path.read_bytes() == before
    assert files_in(tmp_path) == {"app.db"}


async def test_a_file_that_is_behind_stays_as_it_is(tmp_path: Path):
    path = tmp_path / "tasks.db"
    await make(path)
    before = path.read_bytes()
    with knowing(newer.newer()):
        store = strict(path)
        with pytest.raises(StoreUnusable, match=rf"version {NEWEST}, and {NEWEST + 1} is needed: run `afterwards mig"):
            await store.open()
        await store.close()
    assert path.read_bytes() == before


async def test_a_folder_that_is_missing_may_come_yet(tmp_path: Path):
    store = strict(tmp_path / "volume" / "tasks.db")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await store.open()
    (tmp_path / "volume").mkdir()
    await make(tmp_path / "volume" / "tasks.db")
    await store.open()
    await store.close()


async def test_once_it_is_migrated_it_works_and_goes_on_when_it_was_refused_before(tmp_path: Path):
    path = tmp_path / "tasks.db"
    store = strict(path)
    with pytest.raises(StoreUnusable):
        await store.open()
    await make(path)
    await store.add([call := a_call()])
    assert (await the_task(store, call.id)).state is State.WAITING
    await store.close()


async def test_a_private_store_is_made_all_the_same():
    store = store_for("sqlite://", migrate=False)
    await store.add([a_call()])
    await store.close()


async def test_a_file_that_was_removed_is_not_made_anew(tmp_path: Path):
    path = tmp_path / "tasks.db"
    await make(path)
    store = strict(path)
    await store.add([a_call()])
    empty_folder(tmp_path)
    with pytest.raises(StoreUnusable, match="no schema yet"):
        await store.add([a_call()])
    await store.close()
    assert not path.exists()


# For a person to run


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("version", [0, NEWEST])
async def test_the_script_makes_what_the_code_makes(tmp_path: Path, version: int, others: bool):
    paths = tmp_path / "by code.db", tmp_path / "by hand.db"
    for path in paths:
        if others:
            with another_connection(path) as connection:
                connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
        if version:
            await make(path)
    with knowing(newer.newer()):
        store = a_store(paths[0])
        await store.open()
        script = store.schema_sql(since=version)
        await store.close()
        with another_connection(paths[1]) as connection:
            connection.executescript(script)
            assert not connection.in_transaction
        assert schema_in(paths[1]) == schema_in(paths[0])
        by_hand = strict(paths[1])
        await by_hand.add([a_call()])
        await by_hand.close()


def schema_in(path: Path) -> list[object]:
    with another_connection(path) as connection:
        tables = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        shared = connection.execute("SELECT shared, length(id) FROM afterwards_store").fetchall()
    return [*tables, *shared, *versions(path)]


async def test_there_is_no_script_where_nothing_is_to_do(tmp_path: Path):
    assert store_for(f"sqlite:///{tmp_path}/tasks.db").schema_sql(since=NEWEST) == ""


@pytest.mark.parametrize("exists", [True, False])
async def test_to_look_makes_nothing(tmp_path: Path, exists: bool):
    path = tmp_path / "tasks.db"
    if exists:
        await make(path)
    store = a_store(path, add_timeout=timedelta(seconds=1))
    assert await store.schema() == Schema(version=NEWEST if exists else 0, newest=NEWEST)
    await store.close()
    assert path.exists() is exists


async def test_a_damaged_file_is_told_as_such(tmp_path: Path):
    path = tmp_path / "tasks.db"
    path.write_text("Dear diary, " * 1000)
    for store in (a_store(path), strict(path)):
        for look in (store.schema, store.open):
            with pytest.raises(StoreUnusable, match="damaged or no SQLite file"):
                await look()
        await store.close()
