"""`afterwards retry`, `cancel` and `delete`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from afterwards import StoreUnavailable, call
from afterwards.stores.sqlite.store import SQLiteStore
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


async def test_a_step_of_a_broken_chain_is_not_retried_and_says_what_would_help(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        chained = await afterwards.chain(call(fail, "unlucky"), call(greet, "nobody"))
        await afterwards.drain()
        [last] = chained.ends
    says = "unchanged, it is cancelled; what it needs is not done: retry that, and this one waits for it again"
    assert command.on_store("retry", str(last)).out == f"{last}  {says}\n"


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


async def test_an_ended_task_is_deleted_and_one_that_waits_stays(command: CommandLine):
    async with knowing(command.url).opened() as afterwards:
        done = await afterwards.add(greet, "Ada")
        await afterwards.drain()
        waiting = await afterwards.using(delay=60).add(greet, "later")
    run = command.on_store("delete", str(done.id), str(waiting.id))
    assert (run.code, run.out) == (0, f"{done.id}  deleted\n{waiting.id}  unchanged, it is waiting\n")
    again = command.on_store("delete", str(done.id), "--json")
    assert (again.code, again.json) == (1, [{"id": str(done.id), "changed": False, "state": None}])


# All that match


async def some_failures(url: str, count: int = 3) -> list[str]:
    """Failures in the queue "mail", one that is done and one that waits in the other."""
    async with knowing(url).opened() as afterwards:
        failed = [await afterwards.using(key=f"k{n}").add(fail, f"{n}") for n in range(count)]
        await afterwards.add(greet, "Ada")
        await afterwards.drain()
        await afterwards.using(delay=3600).add(greet, "later")
    return [str(handle.id) for handle in failed]


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))


def states(command: CommandLine, *words: str) -> list[str]:
    return [task["state"] for task in command.on_store("list", "--json", *words).json]


async def test_all_failed_tasks_of_one_error_are_retried_after_a_yes(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    await some_failures(command.url)
    answering(monkeypatch, "n\n")
    run = command.on_store("retry", "--all", "--error", "RuntimeError", "--queue", "mail")
    assert (run.code, run.out) == (1, "Nothing was changed.\n")
    assert "Retry 3 tasks? [y/N]" in run.err
    answering(monkeypatch, "y\n")
    run = command.on_store("retry", "--all", "--error", "RuntimeError", "--function", "fail")
    assert (run.code, run.out) == (0, "3 tasks will run again.\n")
    assert states(command) == ["waiting", "done", "waiting", "waiting", "waiting"]


async def test_nobody_to_answer_is_no_yes(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    await some_failures(command.url)
    answering(monkeypatch, "")
    run = command.on_store("delete", "--all")
    assert (run.code, run.out) == (1, "")
    assert "nobody said yes, and so nothing was changed; with --yes nobody is asked" in run.err
    assert len(states(command)) == 5


async def test_with_yes_nobody_is_asked_and_json_counts(command: CommandLine):
    await some_failures(command.url)
    run = command.on_store("delete", "--all", "--state", "failed", "--yes", "--json")
    assert (run.code, run.json, run.err) == (0, {"matched": 3, "changed": 3}, "")
    assert command.on_store("cancel", "--all", "--yes").out == "1 task cancelled or asked to stop.\n"
    assert states(command) == ["cancelled", "done"]
    assert command.on_store("retry", "--all").out == "No task matches.\n", "neither is failed"
    assert command.on_store("retry", "--all", "--state", "cancelled", "--yes").out == "1 task will run again.\n"


async def test_tasks_are_narrowed_by_error_key_and_time_as_they_are_listed(command: CommandLine):
    ids = await some_failures(command.url)
    for words, count in [
        (["--error", "RuntimeError"], 3),
        (["--error", "OSError"], 0),
        (["--key", "k1"], 1),
        (["--name", "fail"], 3),
        (["--added-after", "1h", "--state", "failed"], 3),
        (["--added-before", "1h"], 0),
        (["--added-after", "2020-01-01", "--added-before", "2020-01-02T03:04:05+08:00"], 0),
        (["--since", "3600", "--added-before", "2999-01-01"], 5),
    ]:
        assert len(states(command, *words)) == count, words
    assert [task["id"] for task in command.on_store("list", "--key", "k2", "--json").json] == [ids[2]]
    assert command.on_store("list", "--error", "OSError").out == "No task matches.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["retry", "--queue", "mail"], "--all"),
        (["delete", str(uuid4()), "--all"], "ids and --all both say which tasks"),
        (["cancel", str(uuid4()), "--queue", "mail"], "ids say by themselves which tasks"),
        (["retry", "--all", "--state", "waiting"], "retry changes tasks that are done or failed or cancelled"),
        (["cancel", "--all", "--state", "done"], "cancel changes tasks that are waiting or running"),
        (["retry", "--all", "--state", "asleep"], "asleep"),
        (["retry", "--all", "--error", " "], "error takes a name"),
        (["delete", "--all", "--queue", ""], "queue takes a name"),
        (["list", "--added-after", "soon"], "'soon' is neither how long ago, such as 90min, 2h or 7d, nor a date"),
        (["list", "--added-after", "1h", "--added-before", "2h"], "added_after is the earlier of the two"),
        (["list", "--added-after", "1h", "--since", "5"], "--since and --added-after both say since when"),
    ],
)
def test_what_cannot_be_meant_is_a_wrong_use(command: CommandLine, words: list[str], says: str):
    run = command.on_store(*words)
    assert run.code == 2
    assert says in " ".join(run.err.split())


def test_orders_make_no_store(command: CommandLine):
    for verb in ("retry", "cancel", "delete"):
        assert command.on_store(verb, "--all", "--yes", "--json").json == {"matched": 0, "changed": 0}
    assert command.files() == set()


async def test_a_store_that_goes_away_in_between_is_told_with_what_was_done(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    await some_failures(command.url, 3)
    monkeypatch.setattr("afterwards.steering._AT_ONCE", 2)
    real, calls = SQLiteStore.retry, 0

    async def away_the_second_time(self: SQLiteStore, *args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreUnavailable("the file is locked")
        return await real(self, *args, **more)

    monkeypatch.setattr(SQLiteStore, "retry", away_the_second_time)
    run = command.on_store("retry", "--all", "--yes")
    assert run.code == 1
    assert "the file is locked. 2 tasks will run again by then; the same command goes on" in run.err
    assert command.on_store("retry", "--all", "--yes").out == "1 task will run again.\n"


async def test_a_terminal_sees_how_far_it_is(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    await some_failures(command.url)
    monkeypatch.setattr("afterwards.cli.bars.is_seen", lambda: True)
    run = command.on_store("retry", "--all", "--yes")
    assert run.out == "3 tasks will run again.\n"
    assert "100%" in run.err
