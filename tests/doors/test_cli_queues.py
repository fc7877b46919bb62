"""`afterwards pause`, `resume`, `prune` and `--version`."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from afterwards import StoreUnavailable
from afterwards.stores.sqlite.store import SQLiteStore
from tests.doors.cli_runs import CommandLine
from tests.doors.cli_tasks import fail, greet, knowing


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


async def test_a_queue_is_paused_and_goes_on(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        await afterwards.add(fail, "waits")
        assert command.on_store("pause", "mail").out == "mail  paused now; 1 task waits in it\n"
        assert (await afterwards.census()).paused == ("mail",)
        assert command.on_store("pause", "mail").out == "mail  unchanged, it is paused; 1 task waits in it\n"
        assert command.on_store("resume", "mail").out == "mail  not paused now; 1 task waits in it\n"
        assert (await afterwards.census()).paused == ()


async def test_several_queues_as_json(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        await afterwards.pause("mail")
        run = command.on_store("resume", "mail", "default", "--json")
    assert run.code == 0
    assert run.json == [
        {"queue": "mail", "changed": True, "paused": False, "waiting": 0},
        {"queue": "default", "changed": False, "paused": False, "waiting": 0},
    ]


async def test_a_queue_that_is_no_plain_word_cannot_steer_the_terminal(command: CommandLine):
    async with knowing(command.url).opened():
        assert command.on_store("pause", "\x1b[2J").out.startswith("\\x1b[2J  paused now")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_without_a_store_nothing_is_made(command: CommandLine, verb: str):
    run = command.on_store(verb, "mail")
    assert run.code == 1
    assert "there is no store" in run.err
    assert command.files() == set()


@pytest.mark.parametrize("names", [[], [""], ["mail", " "], ["x" * 256], ["half \udcff"]], ids=ascii)
def test_a_queue_that_can_have_no_such_name_is_a_wrong_use(command: CommandLine, names: list[str]):
    assert command.on_store("pause", *names).code == 2


async def test_what_has_ended_is_pruned_and_nothing_else(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        await afterwards.add(greet, "ends")
        await afterwards.drain()
        waiting = await afterwards.using(delay=60).add(greet, "waits")
        assert command.on_store("prune").out == "0 tasks deleted that ended more than 1 d ago.\n"
        assert command.on_store("prune", "--older-than", "0", "--json").json == {"deleted": 1, "older_than": 0.0}
        assert [task.id for task in await afterwards.find()] == [waiting.id]


async def ended(url: str, count: int) -> None:
    async with knowing(url).opened() as afterwards:
        for number in range(count):
            await afterwards.add(greet, str(number))
        await afterwards.drain()


async def test_a_terminal_sees_how_far_pruning_is(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    await ended(command.url, 3)
    monkeypatch.setattr("afterwards.cli.bars.is_seen", lambda: True)
    run = command.on_store("prune", "--older-than", "0")
    assert run.out == "3 tasks deleted that ended more than 0 ms ago.\n"
    assert "3 tasks" in run.err


async def test_a_store_that_goes_away_while_pruning_is_told_with_what_was_done(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    await ended(command.url, 3)
    monkeypatch.setattr("afterwards.cli.pruning._AT_ONCE", 2)
    real, calls = SQLiteStore.prune, 0

    async def away_the_second_time(self: SQLiteStore, *, older_than: timedelta, limit: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreUnavailable("the file is locked")
        return await real(self, older_than=older_than, limit=limit)

    monkeypatch.setattr(SQLiteStore, "prune", away_the_second_time)
    run = command.on_store("prune", "--older-than", "0")
    assert run.code == 1
    assert "the file is locked. 2 tasks deleted by then; the same command goes on" in run.err
    assert command.on_store("prune", "--older-than", "0", "--json").json == {"deleted": 1, "older_than": 0.0}


def test_pruning_no_store_makes_none(command: CommandLine):
    assert command.on_store("prune").code == 0
    assert command.files() == set()


@pytest.mark.parametrize("age", ["-1", "soon", "1e300", "nan"])
def test_an_age_that_makes_no_sense_is_a_wrong_use(command: CommandLine, age: str):
    assert command.on_store("prune", "--older-than", age).code == 2


def test_the_version(command: CommandLine):
    run = command("--version")
    assert (run.code, run.out) == (0, f"afterwards {version('afterwards')}\n")
