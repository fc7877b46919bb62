"""`afterwards move`: what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from afterwards import Afterwards, State
from afterwards.cli import moving
from afterwards.errors import StoreUnavailable
from afterwards.moving import FIRST_BATCH, move
from tests import databases, servers
from tests.doors.cli_runs import CommandLine
from tests.doors.cli_tasks import fail, greet, knowing


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


@pytest.fixture
def to(command: CommandLine) -> str:
    return f"sqlite:///{(command.folder / 'new.db').as_posix()}"


async def add(url: str, count: int) -> None:
    async with knowing(url).opened() as afterwards:
        for number in range(count):
            await afterwards.add(greet, str(number))


async def waiting(url: str) -> int:
    async with Afterwards(url=url).opened() as afterwards:
        return (await afterwards.census()).by_state[State.WAITING]


async def test_tasks_are_moved_and_counted(command: CommandLine, to: str):
    await add(command.url, 3)
    run = command.on_store("move", "--to", to)
    assert (run.code, run.err) == (0, "")
    assert run.out == (
        f"3 tasks were moved from SQLite file {command.folder}/tasks.db to SQLite file {command.folder}/new.db.\n"
    )
    assert (await waiting(command.url), await waiting(to)) == (0, 3)


async def test_they_run_there(command: CommandLine, to: str):
    async with knowing(command.url).opened() as afterwards:
        handle = await afterwards.add(greet, "Ann")
    command.on_store("move", "--to", to)
    async with knowing(to).opened(worker=True) as afterwards:
        assert (await afterwards.wait(handle.id, timeout=10)).result is None
        assert (await afterwards.get(handle.id)).state == "done"


async def test_all_that_there_is_to_say_is_said(command: CommandLine, to: str):
    async with knowing(command.url).opened(worker=True) as afterwards:
        failed = await afterwards.add(fail, "no")
        await afterwards.wait(failed.id, timeout=10)
        await afterwards.pause("mail")
        await afterwards.add(fail, "later")
    run = command.on_store("move", "--to", to)
    assert run.out.endswith("new.db. Paused there as here: mail. 1 that have ended stay where they are.\n")


async def test_the_answer_as_json(command: CommandLine, to: str):
    await add(command.url, 2)
    run = command.on_store("move", "--to", to, "--json")
    assert run.json == {
        "moved": 2,
        "brought_before": 0,
        "from": f"SQLite file {command.folder}/tasks.db",
        "to": f"SQLite file {command.folder}/new.db",
        "paused": [],
        "stayed": 0,
    }


async def test_a_second_move_has_nothing_to_do(command: CommandLine, to: str):
    await add(command.url, 2)
    command.on_store("move", "--to", to)
    run = command.on_store("move", "--to", to)
    assert run.code == 0
    assert run.out.startswith("0 tasks were moved")


async def test_a_dry_run_changes_nothing(command: CommandLine, to: str):
    await add(command.url, 2)
    run = command.on_store("move", "--to", to, "--dry-run")
    assert run.out.startswith("2 tasks would be moved from")
    assert command.on_store("move", "--to", to, "--dry-run", "--json").json["would_move"] == 2
    assert not (command.folder / "new.db").exists()
    assert await waiting(command.url) == 2


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
async def test_beside_a_worker_nothing_is_moved(command: CommandLine, to: str, more: list[str]):
    async with knowing(command.url).opened(worker=True) as afterwards:
        await afterwards.using(delay=60).add(greet, "later")
        while not (await afterwards.census()).workers:
            pass
        run = command.on_store("move", "--to", to, *more)
    assert run.code == 1
    assert "workers are signed on" in run.err
    assert "Stop them" in run.err
    assert await waiting(command.url) == 1


@pytest.mark.parametrize("to_itself", ["sqlite:///tasks.db", "sqlite:///./tasks.db"])
async def test_a_store_is_not_moved_into_itself(command: CommandLine, to_itself: str):
    await add(command.url, 1)
    run = command.on_store("move", "--to", to_itself)
    assert run.code == 1
    assert "one and the same store" in run.err
    assert await waiting(command.url) == 1


@pytest.mark.parametrize("private", ["sqlite://", "sqlite:///:memory:"])
async def test_tasks_are_not_moved_to_where_they_would_be_lost(command: CommandLine, private: str):
    await add(command.url, 1)
    run = command.on_store("move", "--to", private)
    assert run.code == 2
    assert "name one that lasts" in run.err
    assert await waiting(command.url) == 1


def test_without_a_store_nothing_is_made(command: CommandLine, to: str):
    run = command.on_store("move", "--to", to)
    assert run.code == 1
    assert "there is no store" in run.err
    assert command.files() == set()


@pytest.mark.parametrize("words", [[], ["--to", "new.db"], ["--to", "mysql://host/db"]])
async def test_without_a_place_to_go_nothing_is_moved(command: CommandLine, words: list[str]):
    await add(command.url, 1)
    run = command.on_store("move", *words)
    assert run.code in (1, 2)
    assert run.err
    assert await waiting(command.url) == 1


async def test_a_destination_that_cannot_be_written_leaves_everything_where_it_was(command: CommandLine):
    await add(command.url, 1)
    run = command.on_store("move", "--to", "sqlite:///missing/new.db")
    assert run.code == 1
    assert "cannot be opened" in run.err
    assert await waiting(command.url) == 1


async def test_where_nothing_may_be_migrated_the_destination_is_not_made(
    command: CommandLine, to: str, monkeypatch: pytest.MonkeyPatch
):
    await add(command.url, 1)
    monkeypatch.setenv("AFTERWARDS_MIGRATE", "0")
    run = command.on_store("move", "--to", to)
    assert run.code == 1
    assert "new.db has no schema yet: run `afterwards migrate` once" in run.err
    assert not (command.folder / "new.db").exists()
    command("migrate", "--url", to)
    assert command.on_store("move", "--to", to).out.startswith("1 tasks were moved")


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("kind", ["postgres", "valkey"])
async def test_tasks_are_moved_to_a_server_and_from_it(
    command: CommandLine, request: pytest.FixtureRequest, kind: str, there: bool
):
    is_database = kind == "postgres"
    server = databases.new(request) if is_database else f"{request.getfixturevalue('valkey_url')}?tag={uuid4().hex}"
    source, to = (command.url, server) if there else (server, command.url)
    await add(source, 3)
    run = command("move", "--url", source, "--to", to)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("3 tasks were moved from ")
    assert (await waiting(source), await waiting(to)) == (0, 3)


async def test_a_destination_that_is_not_safe_is_warned_of(command: CommandLine):
    await add(command.url, 1)
    with servers.valkey() as server:  # which keeps nothing on disk
        run = command.on_store("move", "--to", server.url)
    assert run.code == 0
    assert run.out.startswith("1 tasks were moved")
    assert run.err.startswith("afterwards: Redis at ")
    assert "appendonly" in run.err


async def test_a_move_that_is_broken_off_says_how_far_it_came(
    command: CommandLine, to: str, monkeypatch: pytest.MonkeyPatch
):
    await add(command.url, FIRST_BATCH + 5)

    async def breaking(source, destination, *, tell):
        def tell_once(carried: int, of: int) -> None:
            tell(carried, of)
            raise StoreUnavailable("the disk is full")

        return await move(source, destination, tell=tell_once)

    monkeypatch.setattr(moving, "move", breaking)
    run = command.on_store("move", "--to", to)
    assert run.code == 1
    assert f"the disk is full. {FIRST_BATCH} tasks have been moved by now; move again, and it goes on" in run.err
    monkeypatch.undo()
    monkeypatch.chdir(command.folder)
    assert command.on_store("move", "--to", to).out.startswith("5 tasks were moved")
    assert await waiting(to) == FIRST_BATCH + 5


async def test_a_terminal_sees_how_far_it_is(command: CommandLine, to: str, monkeypatch: pytest.MonkeyPatch):
    await add(command.url, FIRST_BATCH + 5)
    monkeypatch.setattr("afterwards.cli.bars.is_seen", lambda: True)
    run = command.on_store("move", "--to", to)
    assert run.err == f"\r{FIRST_BATCH} of {FIRST_BATCH + 5} tasks\r{FIRST_BATCH + 5} of {FIRST_BATCH + 5} tasks\n"
