"""Code changes while tasks wait: what was stored by older code runs by the newer, waits for it, or says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from afterwards import Afterwards, Retry, State, Task, current_task
from afterwards.tasks import Hold, TaskId

Code: TypeAlias = tuple[Afterwards, Callable[[str], None]]

did: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    did.clear()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'deploys.db'}"


def a_version_of_greet(url: str, says: str, **options: Any) -> Code:
    """The code of one deploy: a function `greet`, which greets a name."""
    afterwards = Afterwards(url=url, retry=Retry.never)

    def greet(name: str) -> None:
        did.append(f"{says} {name} as {current_task().name}")

    afterwards.task(**{"name": "mails.greet", **options})(greet)
    return afterwards, greet


async def added_by(code: Code, name: str) -> TaskId:
    afterwards, greet = code
    async with afterwards.opened():
        return (await afterwards.add(greet, name)).id


async def test_a_renamed_function_runs_what_was_stored_under_its_older_name(url: str) -> None:
    task_id = await added_by(a_version_of_greet(url, "old"), "Ada")
    renamed, _ = a_version_of_greet(url, "new", name="letters.greet", aliases=("mails.greet", "post:greet"))
    async with renamed.opened(worker=True):
        task = await renamed.wait(task_id, timeout=10)
    assert (task.state, did) == (State.DONE, ["new Ada as mails.greet"])


async def test_one_that_waited_as_unknown_is_freed_by_a_worker_with_its_alias(url: str) -> None:
    task_id = await added_by(a_version_of_greet(url, "old"), "Ada")
    without, _ = a_version_of_greet(url, "other", name="letters.greet")
    async with without.opened(worker=True):
        task = await held(without, task_id)
    assert (task.attempt, task.held) == (0, Hold.UNKNOWN)
    renamed, _ = a_version_of_greet(url, "new", name="letters.greet", aliases=["mails.greet"])
    async with renamed.opened(worker=True):
        assert (await renamed.wait(task_id, timeout=10)).state is State.DONE


@pytest.mark.parametrize("first", [{"name": "one"}, {"name": "two", "aliases": ("one",)}])
def test_a_name_is_claimed_once(url: str, first: dict[str, Any]) -> None:
    afterwards = Afterwards(url=url)

    def one() -> None: ...

    def another() -> None: ...

    afterwards.task(**first)(one)
    with pytest.raises(ValueError, match=r"two functions are named 'one': .*one in .* and .*another"):
        afterwards.task(name="another", aliases=("one",))(another)
    if first["name"] == "two":
        with pytest.raises(ValueError, match="two functions are named 'one'"):
            afterwards.task(name="one")(another)


async def test_a_newer_versions_task_waits_for_newer_code(url: str) -> None:
    task_id = await added_by(a_version_of_greet(url, "new", version=2), "Ada")
    older, _ = a_version_of_greet(url, "old")
    async with older.opened(worker=True):
        task = await held(older, task_id)
    assert (task.name, task.attempt, task.held) == ("mails.greet@2", 0, Hold.UNKNOWN)
    assert "was stored by version 2 of mails.greet, and this process has version 1" in str(task.error)
    newer, _ = a_version_of_greet(url, "newest", version=3)
    async with newer.opened(worker=True):
        assert (await newer.wait(task_id, timeout=10)).state is State.DONE
    assert did == ["newest Ada as mails.greet@2"]


async def test_an_older_versions_task_is_run_by_newer_code(url: str) -> None:
    task_id = await added_by(a_version_of_greet(url, "old"), "Ada")
    newer, _ = a_version_of_greet(url, "new", version=2)
    async with newer.opened(worker=True):
        assert (await newer.wait(task_id, timeout=10)).state is State.DONE


async def test_arguments_that_no_longer_fit_are_said_and_can_be_retried_after_the_fix(url: str) -> None:
    task_id = await added_by(a_version_of_greet(url, "old"), "Ada")
    changed = Afterwards(url=url)
    told: list[str] = []
    changed.on_failure(lambda task, error: told.append(error.kind))

    @changed.task(name="mails.greet")
    def greet(person: str) -> None:
        raise AssertionError("not to be called")

    async with changed.opened(worker=True):
        task = await changed.wait(task_id, timeout=10)
    assert (task.state, task.attempt, told) == (State.FAILED, 1, ["arguments"])
    assert task.error is not None
    assert task.error.kind == "arguments"
    assert "do not fit mails.greet any more" in task.error.message
    assert "name: Extra inputs are not permitted" in task.error.message
    assert "then retry the task" in task.error.message
    mended, _ = a_version_of_greet(url, "mended")
    async with mended.opened(worker=True):
        await mended.retry(task.id)
        assert (await mended.wait(task.id, timeout=10)).state is State.DONE
    assert did == ["mended Ada as mails.greet"]


async def held(afterwards: Afterwards, task_id: TaskId) -> Task:
    """The task, once a worker has said that it does not know it."""
    async with asyncio.timeout(10):
        while (task := await afterwards.get(task_id)).held is not Hold.UNKNOWN:
            await asyncio.sleep(0.01)
    return task
