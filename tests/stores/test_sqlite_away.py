"""A file that cannot be written for a while: the store says so in time, and goes on by itself."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.stores.sqlite import database
from afterwards.tasks import Search
from tests.contract.builders import a_call, ids_of, sign_on, some_calls
from tests.stores.builders import PATIENCE, a_store, another_connection, empty_folder, write_lock_on


async def test_an_add_to_a_locked_file_is_refused_in_time_and_never_stored(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    with write_lock_on(tmp_path / "tasks.db"):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"adding tasks took too long.*locked.*commit first"):
            await store.add([a_call()])
        assert PATIENCE.total_seconds() <= time.monotonic() - began < PATIENCE.total_seconds() + 0.5
    await store.open()
    assert await store.find(Search(), limit=10) == []
    await store.close()


async def test_an_add_waits_for_a_lock_that_is_let_go_in_time(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    with write_lock_on(tmp_path / "tasks.db"):
        adding = asyncio.ensure_future(store.add([a_call()]))
        await asyncio.sleep(PATIENCE.total_seconds() / 2)
        assert not adding.done()
    assert len(await adding) == 1
    await store.close()


async def test_the_late_are_refused_while_those_who_came_later_still_wait(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    early, late = a_call(), a_call()
    with write_lock_on(tmp_path / "tasks.db"):
        first = asyncio.ensure_future(store.add([early]))
        await asyncio.sleep(PATIENCE.total_seconds() * 0.7)
        second = asyncio.ensure_future(store.add([late]))
        with pytest.raises(StoreUnavailable):
            await first
    assert [one.id for one in await second] == [late.id]
    assert ids_of(await store.find(Search(), limit=10)) == [late.id]
    await store.close()


async def test_every_verb_says_what_it_was_doing(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    with write_lock_on(tmp_path / "tasks.db"):
        claiming = store.claim(worker, limit=1, suspects=True)
        cancelling = store.cancel([a_call().id])
        errors = await asyncio.gather(claiming, cancelling, return_exceptions=True)
    assert [type(error) for error in errors] == [StoreUnavailable] * 2
    assert str(errors[0]).startswith("claiming tasks")
    assert str(errors[1]).startswith("cancelling tasks")
    await store.close()


async def test_reading_goes_on_while_the_file_is_locked_for_writing(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.add([a_call()])
    with write_lock_on(tmp_path / "tasks.db"):
        assert len(await store.find(Search(), limit=10)) == 1
    await store.close()


async def test_a_file_that_is_locked_at_the_start_opens_later(tmp_path: Path):
    path = tmp_path / "tasks.db"
    with another_connection(path) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    store = a_store(path)
    with write_lock_on(path), pytest.raises(StoreUnavailable, match="locked"):
        await store.open()
    await store.add([a_call()])
    await store.close()


async def test_a_missing_folder_is_named_and_the_store_opens_once_it_is_there(tmp_path: Path):
    store = a_store(tmp_path / "missing" / "tasks.db")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="is there such a folder"):
            await store.open()
    with pytest.raises(StoreUnavailable, match="missing"):
        await store.add([a_call()])
    with pytest.raises(StoreUnavailable, match="missing"):
        await store.find(Search(), limit=10)
    (tmp_path / "missing").mkdir()
    await store.add([a_call()])
    await store.close()


async def test_a_full_disk_is_told_and_cured_by_making_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    connect = database.connect
    room = {"pages": 60}

    def connect_to_small_disk(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)
        connection.execute(f"PRAGMA max_page_count = {room['pages']}")
        return connection

    monkeypatch.setattr(database, "connect", connect_to_small_disk)
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    stored = a_call()
    await store.add([stored])
    with pytest.raises(StoreUnavailable, match=r"adding tasks failed.*full.*make room"):
        await store.add(some_calls(10, arguments=f'"{"x" * 50_000}"'))
    assert ids_of(await store.find(Search(), limit=100)) == [stored.id]
    room["pages"] = 1_000_000
    await store.add(some_calls(10, arguments=f'"{"x" * 50_000}"'))
    assert len(await store.find(Search(), limit=100)) == 11
    await store.close()


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from afterwards.errors import StoreUnavailable
from tests.contract.builders import a_call
from tests.stores.builders import a_store

async def main(folder: Path):
    warm = a_store("")
    await warm.open()
    await warm.close()
    if os.getuid() == 0:  # whom no mode would stop
        os.setuid(os.stat(folder).st_uid)
    store = a_store(folder / "tasks.db")
    for attempt in (store.open, lambda: store.add([a_call()])):
        try:
            await attempt()
        except StoreUnavailable as error:
            print(error)
    folder.chmod(0o755)
    (folder / "tasks.db").chmod(0o644)
    await store.add([a_call()])
    print("cured")
    await store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no modes there")
def test_a_read_only_file_is_told_and_cured_by_granting_it():
    with tempfile.TemporaryDirectory() as name:  # not in tmp_path, which only its owner may enter
        folder = Path(name)
        (folder / "tasks.db").touch()
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
            os.chown(folder / "tasks.db", 65534, 65534)
        (folder / "tasks.db").chmod(0o444)
        folder.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        folder.chmod(0o755)
    assert len(said) == 3
    assert all("may not write the file or its folder" in line for line in said[:2])
    assert said[2] == "cured"


async def test_a_file_that_somebody_removed_is_made_anew(tmp_path: Path):
    path = tmp_path / "tasks.db"
    store = a_store(path)
    await store.add([a_call()])
    assert await store.find(Search(), limit=10)
    empty_folder(tmp_path)
    call = a_call()
    await store.add([call])
    assert ids_of(await store.find(Search(), limit=10)) == [call.id]
    with another_connection(path) as connection:
        assert connection.execute("SELECT count(*) FROM afterwards_tasks").fetchone() == (1,)
    await store.close()
