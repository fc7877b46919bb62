"""`afterwards retry` and `cancel`."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.doors.cli_runs import CommandLine
from tests.doors.cli_tasks import fail, greet, knowing


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


async def test_a_failed_task_waits_again(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        failed = await afterwards.add(fail, "once")
        await afterwards.drain()
    run = command.on_store("retry", str(failed.id))
    assert (run.code, run.out) == (0, f"{failed.id}  waiting now\n")
    assert command.on_store("show", str(failed.id), "--json").json["attempt"] == 0


async def test_a_waiting_task_is_cancelled_once(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        waiting = await afterwards.using(delay=60).add(greet, "nobody")
    assert command.on_store("cancel", str(waiting.id)).out == f"{waiting.id}  cancelled now\n"
    again = command.on_store("cancel", str(waiting.id))
    assert (again.code, again.out) == (0, f"{waiting.id}  unchanged, it is cancelled\n")


async def test_a_task_is_steered_and_shown_by_the_id_of_a_call_that_was_not_stored(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        first, twin = [await afterwards.using(key="k", delay=60).add(greet, "nobody") for _ in range(2)]
    assert command.on_store("show", str(twin.id), "--json").json["id"] == str(first.id)
    run = command.on_store("cancel", str(twin.id))
    assert (run.code, run.out) == (0, f"{twin.id}  cancelled now\n")
    assert command.on_store("retry", str(twin.id)).out == f"{twin.id}  waiting now\n"


async def test_a_task_whose_key_another_holds_is_not_retried(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        first = await afterwards.using(key="k", delay=60).add(greet, "nobody")
        await afterwards.cancel(first.id)
        await afterwards.using(key="k", delay=60).add(greet, "nobody")
    said = f"{first.id}  unchanged, it is cancelled; another task holds its key, k\n"
    assert command.on_store("retry", str(first.id)).out == said


async def test_one_unknown_id_makes_the_command_fail_and_the_others_are_still_steered(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        waiting = await afterwards.using(delay=60).add(greet, "nobody")
    unknown = str(uuid4())
    run = command.on_store("cancel", unknown, str(waiting.id), "--json")
    assert run.code == 1
    assert run.json == [
        {"id": unknown, "changed": False, "state": None},
        {"id": str(waiting.id), "changed": True, "state": "cancelled"},
    ]


def test_no_id_is_a_wrong_use(command: CommandLine):
    assert command.on_store("retry").code == 2
