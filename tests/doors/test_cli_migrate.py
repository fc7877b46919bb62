"""`afterwards migrate`: what it does, says and prints."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from afterwards import Afterwards, StoreUnusable
from afterwards.stores.sqlite import migrations
from tests import databases
from tests.doors.cli_runs import CommandLine
from tests.doors.cli_tasks import greet
from tests.stores import newer

NEWEST = len(migrations.migrations())


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


@pytest.fixture
def place(command: CommandLine) -> str:
    return f"SQLite file {command.folder}/tasks.db"


def make_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = newer.newer()
    monkeypatch.setattr(migrations, "migrations", lambda: steps)


def test_a_store_is_made_and_then_nothing_is_to_do(command: CommandLine, place: str):
    run = command.on_store("migrate")
    assert (run.code, run.out) == (0, f"{place}: the schema was brought from version 0 to {NEWEST}.\n")
    assert command.on_store("migrate").out == f"{place}: the schema is of version {NEWEST} already.\n"


def test_a_store_that_is_behind_is_brought_up_to_date(
    command: CommandLine, place: str, monkeypatch: pytest.MonkeyPatch
):
    command.on_store("migrate")
    make_newer(monkeypatch)
    assert f"version {NEWEST}, and {NEWEST + 1} is the newest" in command.on_store("check").out
    assert (
        command.on_store("migrate").out == f"{place}: the schema was brought from version {NEWEST} to {NEWEST + 1}.\n"
    )


def test_the_answer_as_json(command: CommandLine, place: str):
    assert command.on_store("migrate", "--json").json == {"store": place, "from": 0, "to": NEWEST}
    assert command.on_store("migrate", "--json").json == {"store": place, "from": NEWEST, "to": NEWEST}


async def test_it_migrates_also_where_the_app_may_not(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AFTERWARDS_MIGRATE", "0")
    afterwards = Afterwards(url=command.url)
    with pytest.raises(StoreUnusable, match="run `afterwards migrate`"):
        await afterwards.house.open()
    assert command.on_store("migrate").code == 0
    async with afterwards.opened():
        await afterwards.add(greet, "Ann")


async def test_an_app_that_may_not_migrate_says_so_in_its_code(command: CommandLine):
    with pytest.raises(StoreUnusable, match="run `afterwards migrate`"):
        async with Afterwards(url=command.url, migrate=False).opened():
            raise AssertionError("it opened")
    assert command.files() == set()


def test_the_sql_is_printed_and_not_run(command: CommandLine):
    run = command.on_store("migrate", "--sql")
    assert run.code == 0
    assert command.files() == set()
    with closing(sqlite3.connect(command.folder / "tasks.db")) as connection:
        connection.executescript(run.out)
    assert "is of version" in command.on_store("migrate").out


def test_the_sql_is_that_which_this_store_lacks(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    command.on_store("migrate")
    assert command.on_store("migrate", "--sql").out == "-- Nothing to do.\n"
    make_newer(monkeypatch)
    sql = command.on_store("migrate", "--sql").out
    assert "afterwards_colours" in sql
    assert "CREATE TABLE afterwards_tasks" not in sql
    with closing(sqlite3.connect(command.folder / "tasks.db")) as connection:
        connection.executescript(sql)
    assert f"is of version {NEWEST + 1} already" in command.on_store("migrate").out


def test_the_sql_can_be_had_without_a_store(command: CommandLine):
    url = "sqlite:////no/such/folder/tasks.db"
    run = command("migrate", "--sql", "--from", "0", "--url", url)
    assert (run.code, run.err) == (0, "")
    assert "CREATE TABLE afterwards_tasks" in run.out
    assert command("migrate", "--sql", "--from", str(NEWEST), "--url", url).out == "-- Nothing to do.\n"


@pytest.mark.parametrize("words", [["--from", "0"], ["--sql", "--json"], ["--sql", "--from", "-1"]])
def test_words_that_do_not_go_together_are_a_wrong_use(command: CommandLine, words: list[str]):
    run = command.on_store("migrate", *words)
    assert run.code == 2
    assert run.err
    assert command.files() == set()


@pytest.mark.parametrize("more", [[], ["--sql"]])
def test_a_private_store_cannot_be_migrated(command: CommandLine, more: list[str]):
    run = command("migrate", "--url", "sqlite://", *more)
    assert run.code == 2
    assert "nothing to migrate" in run.err


@pytest.mark.parametrize("more", [[], ["--sql"]])
def test_a_store_that_is_too_new_is_refused(command: CommandLine, more: list[str], monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        steps = newer.newer(oldest_code=NEWEST + 1)
        patch.setattr(migrations, "migrations", lambda: steps)
        command.on_store("migrate")
    run = command.on_store("migrate", *more)
    assert run.code == 1
    assert "upgrade afterwards here too" in run.err


def test_a_database_is_made_and_then_nothing_is_to_do(command: CommandLine, request: pytest.FixtureRequest):
    url = databases.new(request)
    assert command("migrate", "--url", url, "--json").json["from"] == 0
    run = command("migrate", "--url", url)
    assert run.code == 0
    assert re.search(r"the schema is of version \d+ already\.$", run.out)
    assert command("migrate", "--sql", "--url", url).out == "-- Nothing to do.\n"


def test_a_database_that_was_made_by_hand_is_like_any_other(command: CommandLine, request: pytest.FixtureRequest):
    by_code, by_hand = databases.new(request), databases.new(request)
    command("migrate", "--url", by_code)
    sql = command("migrate", "--sql", "--url", by_hand).out
    assert sql == command("migrate", "--sql", "--from", "0", "--url", "postgresql://nowhere.invalid/app").out
    databases.run(by_hand, sql)
    assert "already" in command("migrate", "--url", by_hand).out
    assert columns_in(by_hand) == columns_in(by_code)


def columns_in(url: str) -> list[tuple[object, ...]]:
    """Each column of our tables, and each index."""
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_name LIKE 'afterwards%' ORDER BY 1, 2"
    )
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'afterwards%' ORDER BY 1"
    with psycopg.connect(url) as connection:
        return [*connection.execute(columns), *connection.execute(indexes)]


async def test_a_database_is_left_alone_where_nothing_may_be_migrated(
    command: CommandLine, request: pytest.FixtureRequest
):
    url = databases.new(request)
    with pytest.raises(StoreUnusable, match="run `afterwards migrate`"):
        async with Afterwards(url=url, migrate=False).opened():
            raise AssertionError("it opened")
    assert columns_in(url) == []
    command("migrate", "--url", url)
    async with Afterwards(url=url, migrate=False).opened() as afterwards:
        await afterwards.add(greet, "Ann")


@pytest.mark.parametrize("more", [[], ["--sql"]])
def test_a_server_that_cannot_be_reached_is_said(command: CommandLine, more: list[str]):
    run = command("migrate", "--url", "postgresql://127.0.0.1:9/app", *more)
    assert (run.code, run.out) == (1, "")
    assert "127.0.0.1" in run.err


def test_a_store_without_a_schema_has_nothing_to_do(command: CommandLine, valkey_url: str):
    run = command("migrate", "--url", valkey_url)
    assert run.code == 0
    assert run.out.endswith(": it has no schema, so there is nothing to do.\n")
    assert command("migrate", "--url", valkey_url, "--json").json["to"] is None
    assert command("migrate", "--sql", "--url", valkey_url).out == "-- Nothing to do.\n"


def test_a_folder_that_is_missing_is_said(command: CommandLine):
    run = command("migrate", "--url", "sqlite:///missing/tasks.db")
    assert run.code == 1
    assert "cannot be opened" in run.err
