"""The lock file that stands beside the file where SQLite could damage its log without one."""

from __future__ import annotations

import asyncio
import errno
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.stores.sqlite import database
from afterwards.stores.sqlite.trouble import WriteLockHeld
from afterwards.stores.sqlite.write_lock import WriteLock, wal_guard_needed
from afterwards.tasks import Search
from tests.contract.builders import a_call
from tests.stores.builders import PATIENCE, a_store, another_connection

needs_flock = pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")


@pytest.mark.parametrize(
    ("version", "needed"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 35, 5), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 50, 8), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_it_is_needed_by_the_versions_that_have_the_error(version: tuple[int, int, int], needed: bool):
    assert wal_guard_needed(version) is needed


@needs_flock
def test_one_holder_at_a_time(tmp_path: Path):
    first, second = (WriteLock(tmp_path / "lock") for _ in range(2))
    with first.held():
        began = time.monotonic()
        with pytest.raises(WriteLockHeld), second.held():
            pass
        assert time.monotonic() - began < 1
    with second.held():
        pass
    first.forget()
    second.forget()


@needs_flock
def test_it_is_let_go_when_the_block_fails(tmp_path: Path):
    first, second = (WriteLock(tmp_path / "lock") for _ in range(2))
    with pytest.raises(ZeroDivisionError), first.held():
        _ = 1 / 0
    with second.held():
        pass
    first.forget()
    second.forget()


@needs_flock
def test_where_files_cannot_be_locked_it_steps_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_locks(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    lock = WriteLock(tmp_path / "lock")
    for _ in range(2):
        with lock.held():
            pass
    assert not lock.works
    lock.forget()


@needs_flock
async def test_a_writer_that_holds_it_for_long_is_waited_for_and_then_told(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    other = WriteLock(tmp_path / "tasks.db-lock")
    with other.held():
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.add([a_call()])
        adding = asyncio.ensure_future(store.add([a_call()]))
        await asyncio.sleep(PATIENCE.total_seconds() / 2)
    await adding
    assert len(await store.find(Search(), limit=10)) == 1
    other.forget()
    await store.close()


def with_an_old_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "wal_guard_needed", lambda _: True)


async def test_a_log_that_nothing_guards_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_an_old_sqlite(monkeypatch)
    monkeypatch.setattr("sys.platform", "win32")
    store = a_store(tmp_path / "tasks.db")
    monkeypatch.setattr(WriteLock, "held", lambda _: nullcontext())
    await store.open()
    [warning] = store.warnings()
    assert "no file lock" in warning
    await store.close()


async def test_other_writers_in_a_shared_log_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_an_old_sqlite(monkeypatch)
    with another_connection(tmp_path / "app.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (id)")
    store = a_store(tmp_path / "app.db")
    await store.open()
    [warning] = store.warnings()
    assert "other code writes to this file" in warning
    await store.close()


async def test_other_writers_who_came_later_are_warned_of_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_an_old_sqlite(monkeypatch)
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    assert store.warnings() == []
    await store.close()
    with another_connection(tmp_path / "tasks.db") as connection:
        connection.execute("CREATE TABLE users (id)")
    await store.open()
    [warning] = store.warnings()
    assert "other code writes to this file" in warning
    await store.close()


async def test_a_sqlite_without_the_error_is_not_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "wal_guard_needed", lambda _: False)
    with another_connection(tmp_path / "app.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (id)")
    store = a_store(tmp_path / "app.db")
    await store.open()
    assert store.warnings() == []
    await store.close()
