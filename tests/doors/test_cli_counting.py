"""`afterwards stats`, `watch`, and the completion of shells."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.stores.sqlite.store import SQLiteStore
from tests.doors.cli_runs import CommandLine
from tests.doors.cli_tasks import HOSTILE, fail, greet, knowing


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFTERWARDS_URL", raising=False)
    return CommandLine(tmp_path, capsys, monkeypatch)


async def some_tasks(url: str) -> None:
    async with knowing(url).opened() as afterwards:
        await afterwards.add(greet, "Ada")
        await afterwards.add(fail, "no")
        await afterwards.drain()
        await afterwards.using(queue=HOSTILE).add(greet, "now")
        await afterwards.using(queue="later", delay=3600).add(greet, "later")
        await afterwards.using(queue="slow").add(greet, "paused")
        await afterwards.pause("slow")


def test_stats_count_what_there_is(command: CommandLine):
    asyncio.run(some_tasks(command.url))
    run = command.on_store("stats")
    lines = {line.split("  ")[0]: line for line in run.out.splitlines() if line}
    assert lines["tasks"].split(maxsplit=1)[1] == "3 waiting, 0 running, 1 done, 1 failed, 0 cancelled"
    assert lines["due"].split()[1] == "1"
    assert lines["later"].split() == ["later", "1"]
    assert lines["slow"].split() == ["slow", "1", "paused"]
    assert lines["default"].split() == ["default", "0", "0.2", "a", "minute"]
    assert "LAST 5 MIN" in run.out
    assert " for " in next(line for name, line in lines.items() if name.startswith("\\x1b"))
    assert "\x1b" not in run.out
    assert "No worker is signed on." in lines


def test_stats_as_json(command: CommandLine):
    asyncio.run(some_tasks(command.url))
    told = command.on_store("stats", "--json").json
    assert told["tasks"] == {"waiting": 3, "running": 0, "done": 1, "failed": 1, "cancelled": 0}
    queues = {queue.pop("queue"): queue for queue in told["queues"]}
    assert queues["later"] == {"waiting": 1, "oldest_due": None, "ended": 0, "paused": False}
    assert queues["slow"] == {"waiting": 1, "oldest_due": None, "ended": 0, "paused": True}
    assert queues["default"] == {"waiting": 0, "oldest_due": None, "ended": 1, "paused": False}
    times = [datetime.fromisoformat(told[name]) for name in ("ended_since", "now")]
    assert timedelta(minutes=4) < times[1] - times[0] <= timedelta(minutes=5)
    assert queues[HOSTILE]["oldest_due"] < told["now"]


@pytest.mark.parametrize("words", [("stats",), ("watch", "--times", "1")])
def test_without_a_store_they_say_so_and_make_none(command: CommandLine, words: tuple[str, ...]):
    run = command.on_store(*words)
    assert (run.code, command.files()) == (0, set())
    assert "there is no store" in run.out
    assert json.loads(command.on_store(*words, "--json").out) is None


def test_watch_draws_as_often_as_it_is_told(command: CommandLine):
    asyncio.run(some_tasks(command.url))
    run = command.on_store("watch", "--every", "0.1", "--times", "2")
    assert run.out.count("3 waiting") == 2
    assert run.out.count("RuntimeError: no") == 2
    assert "\x1b" not in run.out, "this is no terminal"
    lines = command.on_store("watch", "--every", "0.1", "--times", "2", "--json").out.splitlines()
    assert [json.loads(line)["due"] for line in lines] == [1, 1]


def test_watch_goes_on_while_the_store_is_away(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    asyncio.run(some_tasks(command.url))
    census, asked = SQLiteStore.census, list[int]()

    async def away_at_first(store: SQLiteStore) -> object:
        asked.append(1)
        if len(asked) == 1:
            raise StoreUnavailable("nobody there")
        return await census(store)

    monkeypatch.setattr(SQLiteStore, "census", away_at_first)
    run = command.on_store("watch", "--every", "0.1", "--times", "2")
    assert (run.code, run.out.count("The store is away: nobody there"), run.out.count("3 waiting")) == (0, 1, 1)


@pytest.mark.parametrize("words", [("--every", "0"), ("--times", "0")])
def test_nonsense_is_refused(command: CommandLine, words: tuple[str, ...]):
    assert command.on_store("watch", *words).code == 2


def test_a_shell_can_ask_how_to_complete(tmp_path: Path):
    environment = {**os.environ, "_AFTERWARDS_COMPLETE": "source_bash"}
    code = "import sys; sys.argv = ['afterwards']; from afterwards.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    assert "_AFTERWARDS_COMPLETE" in done.stdout
