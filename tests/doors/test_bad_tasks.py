"""Tasks that misbehave in every way that Python allows: the worker lives on, and says what happened."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from afterwards import Afterwards, BackgroundTasks, Retry, State, Task

ran: list[str] = []


class UnspeakableError(Exception):
    """An error that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NotAnException(BaseException):
    """What `except Exception` does not see."""


async def exits() -> None:
    sys.exit(3)


def exits_in_thread() -> None:
    sys.exit(3)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def raises_base() -> None:
    raise NotAnException("base")


async def unspeakable() -> None:
    raise UnspeakableError


async def cancels_itself() -> None:
    raise asyncio.CancelledError


def stops_iteration() -> None:
    next(iter(()))


async def recurses() -> None:
    await recurses()


async def hostile_text() -> None:
    raise ValueError("nul \0 and half a pair \ud800 and " + "x" * 100_000)


async def returns_what_cannot_be_stored() -> object:
    return object()


def wraps_a_coroutine() -> object:
    return good()


async def good() -> None:
    ran.append("good")


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'bad.db'}", retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    app = FastAPI()
    afterwards.install(app)

    @app.post("/{name}")
    async def add(name: str, background_tasks: BackgroundTasks) -> dict[str, str]:
        return {"id": str(background_tasks.add_task(globals()[name]).id)}

    with TestClient(app) as client:
        yield client


def run(client: TestClient, afterwards: Afterwards, name: str) -> Task:
    task_id = UUID(client.post(f"/{name}").json()["id"])
    assert client.portal is not None
    task: Task = client.portal.call(lambda: afterwards.wait(task_id, timeout=20))
    return task


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (exits, "SystemExit", "3"),
        (exits_in_thread, "SystemExit", "3"),
        (interrupts, "KeyboardInterrupt", "KeyboardInterrupt"),
        (raises_base, f"{__name__}.NotAnException", "base"),
        (unspeakable, f"{__name__}.UnspeakableError", "cannot be read"),
        (cancels_itself, "asyncio.exceptions.CancelledError", "CancelledError"),
        (stops_iteration, "StopIteration", "StopIteration"),
        (recurses, "RecursionError", "recursion"),
        (hostile_text, "ValueError", "nul \\0 and half a pair \\ud800"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_a_task_raises_it_fails_alone_and_the_worker_goes_on(
    client: TestClient, afterwards: Afterwards, function: Callable[[], object], kind: str, message: str
) -> None:
    task = run(client, afterwards, function.__name__)
    assert task.state is State.FAILED
    assert task.error is not None
    assert task.error.kind == kind
    assert message in task.error.message
    assert len(task.error.message) <= 2_000
    ran.clear()
    assert run(client, afterwards, "good").state is State.DONE
    assert ran == ["good"]


def test_a_returned_value_that_could_not_be_stored_harms_nobody(client: TestClient, afterwards: Afterwards) -> None:
    assert run(client, afterwards, "returns_what_cannot_be_stored").state is State.DONE


def test_the_traceback_begins_in_the_users_code(client: TestClient, afterwards: Afterwards) -> None:
    task = run(client, afterwards, "stops_iteration")
    assert task.error is not None
    frames = [line for line in task.error.traceback.splitlines() if line.lstrip().startswith("File")]
    assert frames
    assert all(Path(__file__).name in frame for frame in frames)


def test_a_plain_function_that_returns_a_coroutine_is_awaited(client: TestClient, afterwards: Afterwards) -> None:
    ran.clear()
    assert run(client, afterwards, "wraps_a_coroutine").state is State.DONE
    assert ran == ["good"]
