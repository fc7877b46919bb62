"""`afterwards schedules list`, `pause`, `resume`, `run` and `forget`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards
from afterwards.schedules import Plan
from tests.doors.cli_runs import CommandLine

SWEEP = Plan(name="sweep", function="main:sweep", line="0 * * * * Europe/Berlin")
MAIL = Plan(name="mail", function="main:mail", line="every 90 s")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


async def test_schedules_are_listed_with_their_last_and_next_ticks(command: CommandLine):
    async with Afterwards(url=command.url, worker=False).opened() as afterwards:
        await afterwards.house.store.plan([SWEEP, MAIL], starting=True)
        lines = command.on_store("schedules", "list").out.splitlines()
        found = command.on_store("schedules", "list", "--json").json

    assert [line.split("  ")[:2] for line in lines] == [["mail", MAIL.line], ["sweep", SWEEP.line]]
    assert ":00:00Z" in lines[1].partition("next ")[2]
    assert [schedule["name"] for schedule in found] == ["mail", "sweep"]
    mail = found[0]
    assert datetime.fromisoformat(mail["next"]) - datetime.fromisoformat(mail["last"]) == timedelta(seconds=90)
    assert (mail["function"], mail["paused"], mail["asked"], mail["unknown"]) == ("main:mail", False, False, False)


async def test_schedules_are_steered_by_name(command: CommandLine):
    async with Afterwards(url=command.url, worker=False).opened() as afterwards:
        await afterwards.house.store.plan([SWEEP, MAIL], starting=True)
        assert command.on_store("schedules", "pause", "sweep").out == "sweep  paused: it ticks no more\n"
        assert command.on_store("schedules", "list").out.splitlines()[1].endswith(", paused")
        assert command.on_store("schedules", "run", "sweep").out == "sweep  asked to run once\n"
        assert command.on_store("schedules", "list").out.splitlines()[1].endswith(", paused; asked to run")
        resumed = command.on_store("schedules", "resume", "sweep", "mail", "--json")
        assert resumed.json == [{"schedule": "sweep", "changed": True}, {"schedule": "mail", "changed": True}]
        assert command.on_store("schedules", "forget", "sweep").out == "sweep  forgotten\n"
        assert [schedule.name for schedule in await afterwards.schedules.list()] == ["mail"]


async def test_one_that_is_not_there_is_unknown(command: CommandLine):
    async with Afterwards(url=command.url, worker=False).opened():
        run = command.on_store("schedules", "pause", "nobody")

    assert (run.code, run.out) == (1, "nobody  unknown\n")


@pytest.mark.parametrize("verb", ["pause", "resume", "run", "forget"])
def test_without_a_store_nothing_is_made(command: CommandLine, tmp_path: Path, verb: str):
    run = command.on_store("schedules", verb, "sweep")

    assert run.code == 1
    assert "there is no store" in run.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_store_there_are_no_schedules(command: CommandLine):
    assert command.on_store("schedules", "list").out.startswith("No schedules: ")
    assert command.on_store("schedules", "list", "--json").json == []


async def test_a_name_that_is_no_plain_word_cannot_steer_the_terminal(command: CommandLine):
    async with Afterwards(url=command.url, worker=False).opened() as afterwards:
        await afterwards.house.store.plan([Plan(name="\x1b[2J", function="f", line="every 1 s")], starting=True)
        assert command.on_store("schedules", "list").out.startswith("\\x1b[2J  every 1 s")
