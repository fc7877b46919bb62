"""A file that also holds the user's own tables, and who chooses its journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterwards.stores.sqlite import database
from afterwards.tasks import Search
from tests.contract.builders import TimedStore, a_call, claim_all, end_all, sign_on
from tests.stores.builders import a_store, another_connection, files_in


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that the writing connection runs."""
    connect = database.connect
    statements: list[str] = []

    def connect_and_listen(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)
        if mode == "rwc":
            connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(database, "connect", connect_and_listen)
    return iter([statements])


def pragmas(statements: list[str]) -> list[str]:
    return [line.rpartition(" ")[2] for line in statements if line.startswith("PRAGMA synchronous")]


async def one_life(store: TimedStore) -> None:
    worker = await sign_on(store)
    await store.add([a_call()])
    await store.add([a_call()])
    await end_all(store, await claim_all(store, worker))
    await store.cancel([a_call().id])


async def test_a_file_of_our_own_has_a_write_ahead_log(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    with another_connection(tmp_path / "tasks.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await store.close()


async def test_the_log_is_tidied_away_at_close(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.add([a_call()])
    await store.find(Search(), limit=1)
    await store.close()
    assert files_in(tmp_path) <= {"tasks.db", "tasks.db-lock"}


async def test_only_what_must_be_durable_is_synced_and_the_level_changes_only_when_it_differs(
    tmp_path: Path, spoken: Iterator[list[str]]
):
    store = a_store(tmp_path / "tasks.db")
    await one_life(store)
    assert pragmas(next(spoken)) == ["NORMAL", "FULL", "NORMAL", "FULL"]
    await store.close()


async def test_what_was_received_and_forgotten_is_synced(tmp_path: Path, spoken: Iterator[list[str]]):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    await store.receive([])
    await sign_on(store)
    await store.forget([])
    assert pragmas(next(spoken)) == ["NORMAL", "FULL", "NORMAL", "FULL"]
    await store.close()


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_a_file_of_the_users_keeps_its_journal_and_is_always_synced(
    tmp_path: Path, spoken: Iterator[list[str]], mode: str
):
    path = tmp_path / "app.db"
    with another_connection(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    store = a_store(path)
    for _ in range(2):  # also when our tables are there already
        await one_life(store)
        await store.close()
    with another_connection(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
    assert set(pragmas(next(spoken))) == {"FULL"}


async def test_tables_that_the_user_adds_later_change_nothing(tmp_path: Path):
    path = tmp_path / "tasks.db"
    store = a_store(path)
    await store.open()
    await store.close()
    with another_connection(path) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    await store.add([a_call()])
    with another_connection(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await store.close()


async def test_everything_of_ours_carries_our_name(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    with another_connection(tmp_path / "tasks.db") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert [name for name in names if not name.startswith(("afterwards_", "sqlite_autoindex_afterwards_"))] == []
    await store.close()


async def test_the_users_own_commits_and_ours_take_turns(tmp_path: Path):
    path = tmp_path / "app.db"
    with another_connection(path) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
        store = a_store(path)
        for number in range(20):
            connection.execute("INSERT INTO users VALUES (?)", (number,))
            await store.add([a_call()])
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (20,)
    assert len(await store.find(Search(), limit=100)) == 20
    await store.close()
