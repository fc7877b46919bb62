"""The lock file that stands beside the file where SQLite could damage its log without one."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.stores.sqlite import database
from afterwards.stores.sqlite.trouble import WriteLockHeld
from afterwards.stores.sqlite.write_lock import WriteLock, wal_guard_needed
from afterwards.tasks import Search
from tests.contract.builders import a_call
from tests.stores.builders import PATIENCE, a_store

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
    first, second = (WriteLock(tmp_path / "lock", needed=True) for _ in range(2))
    with first.held():
        began = time.monotonic()
        with pytest.raises(WriteLockHeld), second.held():
            pass
        assert time.monotonic() - began < 1
    with second.held():
        pass
    first.forget()
    second.forget()


def test_where_it_is_not_needed_there_is_no_file(tmp_path: Path):
    with WriteLock(tmp_path / "lock", needed=False).held():
        assert list(tmp_path.iterdir()) == []


@needs_flock
async def test_a_writer_that_holds_it_for_long_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "wal_guard_needed", lambda _: True)
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    other = WriteLock(tmp_path / "tasks.db-lock", needed=True)
    with other.held():
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.add([a_call()])
        adding = asyncio.ensure_future(store.add([a_call()]))
        await asyncio.sleep(PATIENCE.total_seconds() / 2)
    await adding
    assert len(await store.find(Search(), limit=10)) == 1
    other.forget()
    await store.close()


@pytest.mark.parametrize("needed", [True, False])
async def test_a_store_works_with_and_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: bool):
    monkeypatch.setattr(database, "wal_guard_needed", lambda _: needed)
    store = a_store(tmp_path / "tasks.db")
    await store.add([a_call()])
    await store.close()
    assert (tmp_path / "tasks.db-lock").exists() is (needed and sys.platform != "win32")
