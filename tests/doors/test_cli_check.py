"""`afterwards check`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterwards.checkup import Level
from afterwards.cli.judging import judge
from afterwards.tasks import Census, Hold, SignedOn, State, WorkerId
from tests.doors.cli_runs import CommandLine
from tests.doors.cli_tasks import greet, knowing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFTERWARDS_WORKER", raising=False)
    return CommandLine(tmp_path, capsys, monkeypatch)


def worker(expires: timedelta, *, pid: int = 1) -> SignedOn:
    return SignedOn(id=WorkerId(f"w{pid}"), host="h", pid=pid, label="box", signed_on=NOW, expires=NOW + expires)


def wrongs(census: Census, *, app_works: bool = True) -> list[str]:
    return [finding.says for finding in judge(census, app_works=app_works) if finding.level is Level.WRONG]


async def test_a_sound_store_is_told_so_and_left_as_it_is(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        await afterwards.using(delay=60).add(greet, "later")
    before = (command.folder / "tasks.db").read_bytes()
    run = command.on_store("check")
    assert run.code == 0
    assert "Nothing is wrong." in run.out
    assert "1 waiting" in run.out
    assert "wal" in run.out
    assert (command.folder / "tasks.db").read_bytes() == before


def test_a_store_to_be_is_no_error_and_is_not_made(command: CommandLine):
    run = command.on_store("check")
    assert run.code == 0
    assert "does not exist yet" in " ".join(run.out.split())
    assert command.files() == set()


async def test_due_tasks_that_nobody_works_on_are_wrong(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        await afterwards.add(greet, "anybody")
    run = command.on_store("check")
    assert run.code == 1
    assert "nobody works: 1 task is due" in " ".join(run.out.split())


@pytest.mark.parametrize("off", ["0", "off", " No "])
def test_an_app_without_a_worker_and_no_other_is_wrong(command: CommandLine, monkeypatch: pytest.MonkeyPatch, off: str):
    monkeypatch.setenv("AFTERWARDS_WORKER", off)
    run = command.on_store("check")
    assert run.code == 1
    assert "nothing will ever run" in " ".join(run.out.split())


def test_a_folder_that_does_not_exist_is_wrong(command: CommandLine):
    run = command("check", "--url", "sqlite:///nowhere/tasks.db")
    assert run.code == 1
    assert "there is no folder" in run.out


async def test_a_schema_from_the_future_is_wrong(command: CommandLine):
    async with knowing(command.url).opened():
        pass
    with closing(sqlite3.connect(command.folder / "tasks.db")) as connection, connection:
        connection.execute("INSERT INTO afterwards_schema VALUES (99, 99, '')")
    run = command.on_store("check", "--json")
    assert run.code == 1
    assert any("upgrade afterwards" in finding["says"] for finding in run.json if finding["level"] == "wrong")


@pytest.mark.parametrize("verb", ["check", "list"])
def test_a_folder_in_place_of_a_file_is_told(command: CommandLine, verb: str):
    (command.folder / "tasks.db").mkdir()
    run = command.on_store(verb)
    assert run.code == 1
    assert f"{command.folder / 'tasks.db'} is a folder" in run.err


def test_a_file_that_is_no_database_is_wrong(command: CommandLine):
    (command.folder / "tasks.db").write_text("no database " * 1000)
    run = command.on_store("check")
    assert run.code == 1
    assert "no SQLite file" in " ".join(run.out.split())


def test_a_live_worker_is_enough():
    census = Census(now=NOW, waiting_due=5, workers=(worker(timedelta(seconds=9)),))
    assert wrongs(census, app_works=False) == []


def test_a_dead_worker_alone_is_wrong_and_beside_others_is_not():
    dead, alive = worker(-timedelta(minutes=2)), worker(timedelta(seconds=9), pid=2)
    assert any(
        "box (process 1) is dead: its lease ended 2 min ago" in says
        for says in wrongs(Census(now=NOW, workers=(dead,)))
    )
    assert wrongs(Census(now=NOW, workers=(dead, alive))) == []


def test_names_that_no_worker_knows_are_wrong():
    census = Census(now=NOW, held={Hold.UNKNOWN: 3}, unknown_names=("old:\x1bname",), workers=(worker(timedelta(9)),))
    assert any("3 tasks wait for functions that no worker knows: old:\\x1bname." in says for says in wrongs(census))


def test_paused_queues_and_failures_are_told():
    census = Census(
        now=NOW,
        by_state={State.FAILED: 2},
        waiting_by_queue={"mail": 4},
        paused=("mail", "news letter"),
        workers=(worker(timedelta(9)),),
    )
    said = " ".join(finding.says for finding in judge(census, app_works=True))
    assert "mail is paused, 4 tasks wait in it; `afterwards resume mail`" in said
    assert "`afterwards resume 'news letter'`" in said
    assert "2 tasks have failed" in said


def test_one_of_each_is_told_as_one():
    one = {State.FAILED: 1, State.WAITING: 2}
    held = {Hold.LIMIT: 1, Hold.UNKNOWN: 1}
    census = Census(now=NOW, by_state=one, held=held, unknown_names=("old",), waiting_by_queue={"q": 1}, paused=("q",))
    said = " ".join(finding.says for finding in judge(census, app_works=True))
    for words in (
        "1 task has failed",
        "1 waits for a place within a limit",
        "1 task waits for functions",
        "1 task waits in",
    ):
        assert words in said
