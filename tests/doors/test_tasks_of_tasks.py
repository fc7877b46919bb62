"""Tasks that take a `BackgroundTasks`: what they add is stored by the write that settles them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends
from starlette.background import BackgroundTasks as StarletteTasks
from starlette.testclient import TestClient

from afterwards import SOLVED, Afterwards, Again, BackgroundTasks, RequestEnded, Retry, State, Stop, Task
from afterwards.events import LocalTaskFailed, RanLocally, TasksAdded
from afterwards.testing import inline
from tests.doors.diary import diary, gate, note, wait_at_the_gate
from tests.doors.ways import Means, Way

Shape = Callable[..., Any]


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(Means.CHANGED, tmp_path / "tasks.db", retry=Retry(attempts=2, first=0.01))


@pytest.fixture
def client(way: Way) -> Iterator[TestClient]:
    with way.client() as client:
        yield client


def added(way: Way, client: TestClient, function: Shape, *args: object) -> Task:
    """The task once it has ended, and all that it added too."""
    assert client.portal is not None
    handle = client.portal.call(partial(way.afterwards.add, function, *args))
    task = client.portal.call(partial(way.afterwards.wait, handle.id, timeout=15))
    client.portal.call(way.afterwards.drain)
    return task


def stored(way: Way, client: TestClient) -> list[str]:
    """The arguments of what was stored, in that order."""
    assert client.portal is not None
    return [task.arguments for task in reversed(client.portal.call(way.afterwards.find))]


# Where it may stand


async def by_alias(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "added")


async def by_alias_with_default(word: str = "added", background_tasks: BackgroundTasks = SOLVED) -> None:
    background_tasks.add_task(note, word)


async def by_plain_type(background_tasks: fastapi.BackgroundTasks) -> None:
    background_tasks.add_task(note, "added")


async def by_type_of_starlette(background_tasks: StarletteTasks = None) -> None:  # type: ignore[assignment]  # FastAPI's way
    background_tasks.add_task(note, "added")


def in_a_thread(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "added")


def add_one(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "added")


class Adds:
    def __init__(self, tasks: fastapi.BackgroundTasks) -> None:
        tasks.add_task(note, "added")


async def by_dependency(it: Annotated[None, Depends(add_one)]) -> None: ...
async def by_class(it: Annotated[Adds, Depends()]) -> None: ...


async def add_at_the_end(tasks: BackgroundTasks) -> AsyncIterator[None]:
    yield
    tasks.add_task(note, "added")


def at_the_end(it: Annotated[None, Depends(add_at_the_end)]) -> None: ...


ADDING: list[Shape] = [
    by_alias,
    by_alias_with_default,
    by_plain_type,
    by_type_of_starlette,
    in_a_thread,
    by_dependency,
    by_class,
    at_the_end,
]
each_adding = pytest.mark.parametrize("shape", ADDING, ids=lambda it: it.__name__)


@each_adding
def test_what_a_task_adds_is_stored_and_runs(way: Way, client: TestClient, shape: Shape):
    assert added(way, client, shape).state is State.DONE
    assert diary.lines == ["added"]
    assert stored(way, client) == ["{}", '{"text":"added"}']


@each_adding
def test_what_an_inline_task_adds_runs_inline(way: Way, shape: Shape):
    with inline(way.afterwards):
        way.afterwards.add_sync(shape)
    assert diary.lines == ["added"]
    assert not way.path.exists()


def the_tasks(tasks: BackgroundTasks) -> Any:
    return tasks


async def shares(
    tasks: BackgroundTasks, plain: fastapi.BackgroundTasks, below: Annotated[Any, Depends(the_tasks)]
) -> None:
    tasks.add_task(note, "one")
    plain.add_task(note, "two")
    below.add_task(note, "three")
    diary.write(f"the same: {tasks is plain is below}")


def test_all_who_ask_share_one_object_and_its_order(way: Way, client: TestClient):
    added(way, client, shares)
    assert diary.lines == ["the same: True", "one", "two", "three"]


# When it is stored


async def adds_and_waits(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "added")
    await asyncio.to_thread(wait_at_the_gate, "the task")


def test_nothing_is_stored_before_the_task_has_ended(way: Way, client: TestClient):
    assert client.portal is not None
    shape: Shape = adds_and_waits
    handle = client.portal.call(way.afterwards.add, shape)
    diary.wait_for("the task waits")
    assert stored(way, client) == ["{}"]
    gate.set()
    client.portal.call(partial(way.afterwards.wait, handle.id, timeout=15))
    assert diary.wait_for("added") == ["the task waits", "the task", "added"]


def test_it_is_said_that_they_are_stored(way: Way, client: TestClient):
    said: list[Any] = []
    way.afterwards.hear(said.append, TasksAdded)
    task = added(way, client, in_a_thread)
    assert client.portal is not None
    stored_later, first = client.portal.call(way.afterwards.find)
    assert [event.ids for event in said] == [(task.id,), (stored_later.id,)]
    assert first.id == task.id


async def begins(word: str) -> None:
    diary.write(f"{word} begins")
    await asyncio.sleep(0.05)
    diary.write(f"{word} ends")


async def adds_several(background_tasks: BackgroundTasks) -> None:
    for word in ("one", "two"):
        background_tasks.add_task(begins, word)
    background_tasks.using(queue="mail", delay=3600).add_task(note, "tomorrow")


def test_they_run_one_after_another_and_have_their_options(way: Way, client: TestClient):
    added(way, client, adds_several)
    assert diary.lines == ["one begins", "one ends", "two begins", "two ends"]
    assert client.portal is not None
    [late] = client.portal.call(partial(way.afterwards.find, queue="mail"))
    assert (late.state, late.arguments) == (State.WAITING, '{"text":"tomorrow"}')


# When the task does not end well


def fails_at_first(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, f"added {len(diary.lines)}")
    diary.write("ran")
    if len(diary.lines) == 1:
        raise OSError


def comes_again(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, f"added {len(diary.lines)}")
    diary.write("ran")
    if len(diary.lines) == 1:
        raise Again(after=0.01)


@pytest.mark.parametrize("shape", [fails_at_first, comes_again])
def test_a_try_that_does_not_end_well_adds_nothing(way: Way, client: TestClient, shape: Shape):
    assert added(way, client, shape).state is State.DONE
    assert diary.lines == ["ran", "ran", "added 1"]


async def raises(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "never")
    raise ValueError


async def stops(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "never")
    raise Stop("enough")


async def fails_to_close() -> AsyncIterator[None]:
    yield
    raise OSError("cannot commit")


async def cannot_close(it: Annotated[None, Depends(fails_to_close)], background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "never")


async def cancelled(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "never")
    raise asyncio.CancelledError


@pytest.mark.parametrize("shape", [raises, stops, cannot_close, cancelled])
def test_a_task_that_fails_adds_nothing(way: Way, client: TestClient, shape: Shape):
    assert added(way, client, shape).state is State.FAILED
    assert stored(way, client) == ["{}"]
    with inline(way.afterwards), pytest.raises(BaseException):  # noqa: B017, PT011  # whatever it raises
        way.afterwards.add_sync(shape)
    assert diary.lines == []


independent: list[Afterwards] = []


async def adds_by_itself(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(note, "never")
    await independent[0].add(note, "by itself")
    raise Stop("enough")


def test_what_is_added_by_await_is_a_write_of_its_own(way: Way, client: TestClient):
    independent[:] = [way.afterwards]
    assert added(way, client, adds_by_itself).state is State.FAILED
    assert diary.lines == ["by itself"]


kept: list[Any] = []


async def keeps_it(background_tasks: BackgroundTasks) -> None:
    kept[:] = [background_tasks]


def test_nothing_can_be_added_when_the_task_has_ended(way: Way, client: TestClient):
    added(way, client, keeps_it)
    with pytest.raises(RequestEnded, match=r"request or task has ended.*afterwards\.add"):
        kept[0].add_task(note, "never")


def test_a_refusal_is_raised_in_the_task(way: Way, client: TestClient):
    task = added(way, client, adds_a_lambda)
    assert task.error is not None
    assert (task.state, task.error.kind) == (State.FAILED, "afterwards.errors.CannotName")


# Functions without a name


async def adds_a_lambda(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(lambda: diary.write("local"))
    background_tasks.add_task(note, "added")
    diary.write("task")


async def adds_a_lambda_and_raises(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(lambda: diary.write("never"))
    raise ValueError


async def adds_bad_lambdas(tasks: BackgroundTasks) -> None:
    tasks.add_task(lambda: 1 / 0)
    tasks.add_task(lambda: diary.write("local"))


@pytest.fixture(params=["by its option", "adopted"])
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    if request.param == "adopted":
        return Way(Means.ADOPTED_FIRST, tmp_path / "tasks.db", retry=Retry.never)
    return Way(Means.CHANGED, tmp_path / "tasks.db", retry=Retry.never, when_unnameable="local")


def test_a_function_without_a_name_runs_locally_after_the_task(local: Way):
    ran: list[RanLocally] = []
    local.afterwards.hear(lambda event: ran.append(event), RanLocally)  # type: ignore[arg-type]  # only this kind comes
    with local.client() as client:
        assert added(local, client, adds_a_lambda).state is State.DONE
        assert diary.lines == ["task", "local", "added"]
        assert stored(local, client) == ["{}", '{"text":"added"}']
        added(local, client, adds_a_lambda_and_raises)
    assert diary.lines == ["task", "local", "added"]
    assert len(ran) == 1


def test_one_that_fails_is_said_and_the_task_is_done(local: Way):
    failed: list[Any] = []
    local.afterwards.hear(failed.append, LocalTaskFailed)
    with local.client() as client:
        assert added(local, client, adds_bad_lambdas).state is State.DONE
    assert [type(event.error) for event in failed] == [ZeroDivisionError]
    assert diary.lines == ["local"]


def test_inline_it_runs_after_its_task_and_before_what_that_added(local: Way):
    shape: Shape = adds_a_lambda
    with inline(local.afterwards):
        local.afterwards.add_sync(shape)
    assert diary.lines == ["task", "local", "added"]


def test_without_fastapi_tasks_without_dependencies_run_and_others_are_refused_in_words(tmp_path: Path):
    script = """
import sys
sys.modules["fastapi"] = None
from afterwards import Afterwards, CannotSolve
from afterwards.testing import inline
from tests.doors.diary import diary, note
from tests.doors.without_fastapi import adds

afterwards = Afterwards(url="sqlite://")
with inline(afterwards):
    afterwards.add_sync(note, "ran")
    try:
        afterwards.add_sync(adds)
    except CannotSolve as error:
        assert "pip install 'afterwards[fastapi]'" in str(error), error
    else:
        raise AssertionError
assert diary.lines == ["ran"], diary.lines
"""
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, env=surroundings, check=True)
