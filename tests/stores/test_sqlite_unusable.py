"""What no waiting would cure is refused when the store is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from afterwards.errors import StoreUnusable
from afterwards.stores.sqlite import database, filesystem
from afterwards.stores.sqlite.filesystem import Footing, footing, magic_of, name_of
from afterwards.stores.sqlite.migrations import migrations
from tests.contract.builders import a_call
from tests.stores.builders import a_store, another_connection

NEWEST = len(migrations())


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "tasks.db"
    path.write_text("Dear diary, " * 1000)
    store = a_store(path)
    with pytest.raises(StoreUnusable, match="damaged or no SQLite file"):
        await store.open()
    await store.close()
    assert path.read_text().startswith("Dear diary")


async def test_a_damaged_file_is_refused(tmp_path: Path):
    path = tmp_path / "tasks.db"
    store = a_store(path)
    await store.add([a_call()])
    await store.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="damaged"):
        await store.open()
    await store.close()


async def a_file_of_the_future(path: Path, *, oldest_code: int) -> None:
    store = a_store(path)
    await store.open()
    await store.close()
    with another_connection(path) as connection:
        connection.execute("INSERT INTO afterwards_schema VALUES (?, ?, 'later')", (NEWEST + 1, oldest_code))


async def test_a_schema_that_this_version_must_not_touch_is_refused(tmp_path: Path):
    await a_file_of_the_future(tmp_path / "tasks.db", oldest_code=NEWEST + 1)
    store = a_store(tmp_path / "tasks.db")
    with pytest.raises(StoreUnusable, match=rf"schema of version {NEWEST + 1}.*upgrade afterwards"):
        await store.open()
    await store.close()


async def test_a_newer_schema_that_this_version_may_still_use_is_used(tmp_path: Path):
    await a_file_of_the_future(tmp_path / "tasks.db", oldest_code=NEWEST)
    store = a_store(tmp_path / "tasks.db")
    await store.add([a_call()])
    await store.close()


async def test_a_sqlite_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    store = a_store(tmp_path / "tasks.db")
    with pytest.raises(StoreUnusable, match=r"3\.35 is needed"):
        await store.open()
    await store.close()


# File systems: the decision over the magic number of statfs(2)


@pytest.mark.parametrize(
    ("magic", "expected", "name"),
    [
        (0x6969, Footing.NONE, "NFS"),
        (0x517B, Footing.NONE, "SMB"),
        (0xFE534D42, Footing.NONE, "SMB2"),
        (0xFF534D42, Footing.NONE, "CIFS"),
        (0x65735546, Footing.SHAKY, "FUSE"),
        (0x01021997, Footing.SHAKY, "9p"),
        (0xEF53, Footing.FIRM, "0xef53"),
        (0x794C7630, Footing.FIRM, "0x794c7630"),
        (None, Footing.FIRM, "unknown"),
    ],
)
def test_file_systems_are_told_apart_by_their_magic_number(magic: int | None, expected: Footing, name: str):
    assert footing(magic) is expected
    assert name_of(magic) == name


def test_the_magic_number_of_a_folder_can_be_read_or_is_unknown(tmp_path: Path):
    assert footing(magic_of(tmp_path)) in (Footing.FIRM, Footing.SHAKY)
    assert magic_of(tmp_path / "missing") is None


@pytest.mark.skipif(not Path("/proc").exists(), reason="Linux only")
def test_the_magic_number_of_proc_is_that_of_proc():
    assert magic_of(Path("/proc")) == 0x9FA0


async def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "magic_of", lambda _: 0x6969)
    store = a_store(tmp_path / "tasks.db")
    with pytest.raises(StoreUnusable, match="NFS, a network file system"):
        await store.open()
    await store.close()
    assert not (tmp_path / "tasks.db").exists()


async def test_a_shaky_file_system_gets_a_rollback_journal_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "magic_of", lambda _: 0x65735546)
    store = a_store(tmp_path / "tasks.db")
    await store.add([a_call()])
    with another_connection(tmp_path / "tasks.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    [warning] = store.warnings()
    assert "FUSE" in warning
    await store.close()


def test_the_numbers_are_those_of_the_kernel_headers():
    assert filesystem.footing(0x5346414F) is Footing.NONE  # AFS_SUPER_MAGIC
