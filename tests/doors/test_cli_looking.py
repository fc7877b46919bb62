"""`afterwards list` and `show`."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest

from tests.contract.builders import TimedStore
from tests.doors.cli_runs import CommandLine, columns
from tests.doors.cli_tasks import HOSTILE, fail, greet, knowing
from tests.doors.tried import PASSWORD, REFUSED, tried


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFTERWARDS_URL", raising=False)
    return CommandLine(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ids(command: CommandLine) -> list[UUID]:
    """One that is done, one that has failed, one that waits for an hour."""
    return asyncio.run(one_of_each(command.url))


async def one_of_each(url: str) -> list[UUID]:
    async with knowing(url).opened() as afterwards:
        done = await afterwards.add(greet, "Ada")
        failed = await afterwards.add(fail, "first line\nsecond line")
        await afterwards.drain()
        waiting = await afterwards.using(delay=3600).add(greet, "later")
    return [done.id, failed.id, waiting.id]


def test_lists_the_newest_first_with_what_matters_in_each_state(command: CommandLine, ids: list[UUID]):
    done, failed, waiting = map(str, ids)
    lines = command.on_store("list").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[waiting, "waiting"], [failed, "failed"], [done, "done"]]
    assert "due in 59 min" in lines[1]
    assert "mail" in lines[2]
    assert lines[2].endswith("RuntimeError: first line")
    assert "s ago" in lines[3]


def test_narrows_to_what_was_added_lately(command: CommandLine, ids: list[UUID]):
    async def move_an_hour_on() -> None:
        afterwards = knowing(command.url)
        store = cast(TimedStore, afterwards.house.store)
        store.clock_offset = timedelta(minutes=-60)
        async with afterwards.opened():
            await afterwards.add(greet, "an hour ago")

    asyncio.run(move_an_hour_on())
    assert len(command.on_store("list", "--json").json) == 4
    lately = command.on_store("list", "--since", "1800", "--json").json
    assert {task["id"] for task in lately} == {str(task_id) for task_id in ids}
    assert command.on_store("list", "--since", "0").out == "No task matches.\n"
    assert command.on_store("list", "--since", "-1").code == 2


def test_columns_stand_under_their_headings(command: CommandLine, ids: list[UUID]):
    headings, *lines = command.on_store("list").out.splitlines()
    starts = [headings.index(heading) for heading in headings.split()]
    assert all(line[start - 1 : start] in (" ", "") for line in lines for start in starts[1:])


def test_narrows_by_state_queue_name_and_limit(command: CommandLine, ids: list[UUID]):
    done, failed, waiting = map(str, ids)
    narrowed = {
        ("--state", "done"): [done],
        ("--queue", "mail"): [failed],
        ("--name", "greet"): [waiting, done],
        ("--limit", "1"): [waiting],
    }
    for words, expected in narrowed.items():
        listed = [line[0] for line in columns(command.on_store("list", *words).out)]
        assert listed[: len(expected)] == expected
        assert len(command.on_store("list", *words, "--json").json) == len(expected)


@pytest.mark.parametrize("limit", ["0", "-1", "99999999999999999999", "x"])
def test_a_limit_that_makes_no_sense_is_a_wrong_use(command: CommandLine, limit: str):
    assert command.on_store("list", "--limit", limit).code == 2


def test_json_has_all_fields_of_a_task(command: CommandLine, ids: list[UUID]):
    failed = command.on_store("list", "--state", "failed", "--json").json[0]
    assert failed["id"] == str(ids[1])
    assert failed["arguments"] == {"reason": "first line\nsecond line"}
    assert failed["error"]["kind"] == "RuntimeError"
    assert failed["error"]["traceback"].startswith("Traceback")
    assert failed["ended"].endswith("+00:00")


def test_shows_arguments_tries_result_and_times(command: CommandLine, ids: list[UUID]):
    out = command.on_store("show", str(ids[0])).out
    assert 'arguments   {"name": "Ada"}' in out
    assert "attempt     1" in out
    assert "state       done" in out
    assert "UTC" in out


def test_shows_the_error_with_its_traceback(command: CommandLine, ids: list[UUID]):
    out = command.on_store("show", str(ids[1])).out
    assert "RuntimeError: first line" in out
    assert "Traceback (most recent call last)" in out
    assert "raise RuntimeError(reason)" in out


def test_shows_what_became_of_each_try(command: CommandLine):
    task_id = asyncio.run(tried(knowing(command.url).house.store, times=2))
    out = command.on_store("show", str(task_id)).out
    tries = [line[12:] for line in out.splitlines() if re.match(r"(tries|)\s+\d: ", line)]
    assert [re.sub(r": .* UTC, .* ago, waited [^,]*, ran [^,]*", "", line) for line in tries] == [
        f"1, failed: {REFUSED.kind}: {PASSWORD} <b>was refused</b>",
        "2, asked for a later try",
        "2, asked for a later try",
        "2, its process died",
        "2, failed",
    ]
    told = command.on_store("show", str(task_id), "--json").json["tries"]
    assert [one["ending"] for one in told] == ["failed", "again", "again", "crashed"]
    assert told[0]["error"] == {"kind": REFUSED.kind, "message": REFUSED.message}


def test_one_id_that_no_task_has_is_an_error(command: CommandLine, ids: list[UUID]):
    run = command.on_store("show", str(uuid4()))
    assert run.code == 1
    assert "no task has the id" in run.err


def test_what_is_no_id_is_a_wrong_use(command: CommandLine):
    assert command("show", "seven").code == 2


async def test_nothing_that_a_stranger_wrote_reaches_the_terminal_as_a_command(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        handle = await afterwards.add(fail, HOSTILE)
        await afterwards.drain()
    for run in (
        command.on_store("list"),
        command.on_store("show", str(handle.id)),
        command.on_store("list", "--json"),
        command("list", "--app", f"{HOSTILE}:x"),
    ):
        assert all(character == "\n" or character.isprintable() for character in run.out + run.err)
    assert "\\x1b[2J" in command.on_store("list").out


def test_reading_makes_no_store(command: CommandLine):
    run = command("list")
    assert (run.code, command.files()) == (0, set())
    assert "No tasks yet" in run.out
    assert "afterwards.db" in run.out
    assert command("list", "--json").json == []
    assert command("show", str(uuid4())).code == 1
    assert command("retry", str(uuid4())).code == 1
    assert command.files() == set()


def test_reading_makes_no_tables_in_a_file_of_somebody_else(command: CommandLine):
    file = command.folder / "tasks.db"
    file.touch()
    assert command.on_store("list").code == 0
    assert file.stat().st_size == 0


def test_a_file_that_is_no_store_is_told(command: CommandLine):
    (command.folder / "tasks.db").write_text("this is no database, but quite a long text" * 100)
    run = command.on_store("list")
    assert run.code == 1
    assert "damaged or no SQLite file" in run.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_an_answer_that_cannot_be_written_is_told_in_one_line(command: CommandLine):
    words = [sys.executable, "-m", "afterwards", "list", "--url", command.url]
    with open("/dev/full", "w", encoding="utf-8") as full:
        run = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert run.returncode == 1
    assert run.stderr == "afterwards: the answer cannot be written: No space left on device\n"
