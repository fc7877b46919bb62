"""A wrong argument is an error where the code is checked, in mypy and in pyright alike; a right one never is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SURROUNDINGS = {"PYRIGHT_PYTHON_CACHE_DIR": str(ROOT / ".boot" / "pyright"), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}

BEGINNING = """
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, WebSocket
from starlette.requests import Request
from starlette.responses import JSONResponse

from afterwards import SOLVED, Afterwards, BackgroundTasks, Retry, State, Task, TaskHandle, call, current_task
from afterwards.starlette import BackgroundTasks as StarletteTasks
from afterwards.testing import inline, recorded

app = FastAPI()
afterwards = Afterwards(app, "sqlite:///tasks.db", concurrency=10, lease=timedelta(seconds=15), grace=3.5)


async def send(user: int, *, subject: str, urgent: bool = False) -> None: ...
def write(text: str, times: int = 1) -> int: return len(text) * times
"""

SAMPLES = {
    "dependencies": """
class Mailer: ...
def get_mailer() -> Mailer: return Mailer()
Mailing = Annotated[Mailer, Depends(get_mailer)]


async def by_default(user: int, mailer: Mailer = Depends(get_mailer)) -> None: ...
async def by_solved(user: int, tasks: BackgroundTasks = SOLVED, *, mailer: Mailing = SOLVED) -> None: ...
async def bare(user: int, mailer: Mailing) -> None: ...


@app.post("/")
async def endpoint(tasks: BackgroundTasks) -> None:
    tasks.add_task(by_default, 1)
    tasks.add_task(by_solved, 1)
    tasks.using(delay=3).add_task(by_solved, user=1)
    await afterwards.add(by_solved, 1)
    tasks.add_task(by_solved, 1, mailer=Mailer())
    tasks.add_task(bare, 1, Mailer())
    tasks.add_task(by_default, "1")  # wrong
    tasks.add_task(by_solved, "1")  # wrong
    tasks.add_task(by_solved)  # wrong
    tasks.add_task(by_solved, 1, mailer="mailer")  # wrong
    tasks.add_task(bare, 1)  # wrong
""",
    "add_task": """
@app.post("/")
async def endpoint(tasks: BackgroundTasks) -> None:
    handle: TaskHandle = tasks.add_task(send, 1, subject="hello")
    number: UUID = handle.id
    tasks.add_task(send, user=1, subject="hello", urgent=True)
    tasks.add_task(write, "text")
    tasks.add_task(write, "text", times=2)
    tasks.add_task(send, "1", subject="hello")  # wrong
    tasks.add_task(send, 1, subject=2)  # wrong
    tasks.add_task(send, 1)  # wrong
    tasks.add_task(send, 1, "hello")  # wrong
    tasks.add_task(send, 1, subject="hello", other=1)  # wrong
    tasks.add_task(write)  # wrong
    tasks.add_task("write")  # wrong
    tasks.add_task(write("text"))  # wrong


@app.websocket("/")
async def talk(websocket: WebSocket, tasks: BackgroundTasks) -> None:
    tasks.add_task(write, 3)  # wrong


def dependency(tasks: BackgroundTasks, q: str | None = None) -> BackgroundTasks:
    tasks.add_task(write, q or "")
    tasks.add_task(write, q)  # wrong
    return tasks


@app.get("/", dependencies=[Depends(dependency)])
def plain(tasks: BackgroundTasks) -> JSONResponse:
    return JSONResponse({}, background=tasks)
""",
    "using": """
@app.post("/")
async def endpoint(tasks: BackgroundTasks) -> None:
    handle: TaskHandle = tasks.using(delay=60).add_task(send, 1, subject="hello")
    tasks.using(delay=timedelta(minutes=1), queue="mail", priority=9, retry=Retry.never, ordered=False)
    tasks.using(due=datetime.now(UTC)).add_task(write, "text")
    tasks.using(delay=60).add_task(send, "1", subject="hello")  # wrong
    tasks.using(delay=60).add_task(write)  # wrong
    tasks.using(delay="soon")  # wrong
    tasks.using(delayed=3)  # wrong
    tasks.using(60)  # wrong
    tasks.using(retry=3)  # wrong
""",
    "add": """
async def main() -> None:
    handle: TaskHandle = await afterwards.add(send, 1, subject="hello")
    handle = await afterwards.using(delay=3).add(write, "text", 2)
    handle = afterwards.add_sync(write, text="text")
    handle = afterwards.using(queue="mail").add_sync(write, "text")
    await afterwards.add(send, 1)  # wrong
    await afterwards.add(write, 1)  # wrong
    await afterwards.using(delay=3).add(write, "text", "2")  # wrong
    await afterwards.using(queue=3).add(write, "text")  # wrong
    afterwards.add_sync(write, word="text")  # wrong
    afterwards.using(delay=3).add_sync(send, "1", subject="hello")  # wrong
""",
    "transaction": """
import sqlite3

import aiosqlite
import psycopg
import sqlmodel
from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import Session, scoped_session
from sqlmodel.ext.asyncio.session import AsyncSession as SQLModelSession


async def sessions(tasks: BackgroundTasks, one: Session, two: AsyncSession, three: scoped_session[Session]) -> None:
    handle: TaskHandle = tasks.using(transaction=one).add_task(send, 1, subject="hello")
    handle = tasks.using(transaction=two, delay=3).add_task(write, "text")
    handle = await afterwards.using(transaction=three).add(write, "text")
    await current_task().done_in(two)
    current_task().done_in_sync(one)
    tasks.using(transaction=two).add_task(write, 3)  # wrong


async def others(
    tasks: BackgroundTasks, one: sqlmodel.Session, two: SQLModelSession, three: async_scoped_session[AsyncSession]
) -> None:
    for transaction in (one, two, three):
        tasks.using(transaction=transaction)


async def connections(
    one: Connection,
    two: AsyncConnection,
    three: sqlite3.Connection,
    four: aiosqlite.Connection,
    five: psycopg.Connection,
    six: psycopg.AsyncConnection,
) -> None:
    for transaction in (one, two, three, four, five, six):
        handle: TaskHandle = await afterwards.using(transaction=transaction).add(write, "text")
    handle = afterwards.using(transaction=three).add_sync(write, "text")
    await current_task().done_in(six)


def mistakes(engine: Engine, maker: async_sessionmaker[AsyncSession]) -> None:
    afterwards.using(transaction=engine)  # wrong
    afterwards.using(transaction=maker)  # wrong
    afterwards.using(transaction="sqlite:///app.db")  # wrong
""",
    "task": """
@afterwards.task(queue="mail", priority=7, retry=Retry(attempts=8), name="welcome")
async def welcome(user: int) -> str: return f"{user} {current_task().attempt}"


@afterwards.task()
def plain(user: int) -> str: return f"{user}"


@afterwards.task(queue=3)  # wrong
def mistaken(user: int) -> str: return f"{user}"


coroutine: Coroutine[Any, Any, str] = welcome(1)
text: str = plain(1)
welcome("1")  # wrong
number: int = plain(1)  # wrong


@app.post("/")
async def endpoint(tasks: BackgroundTasks) -> None:
    tasks.add_task(welcome, 1)
    tasks.add_task(welcome, "1")  # wrong
    tasks.add_task(plain)  # wrong
""",
    "other_doors": """
async def endpoint(request: Request) -> JSONResponse:
    async with afterwards.batch(request) as tasks:
        handle: TaskHandle = tasks.add_task(write, "text")
        tasks.using(delay=3).add_task(write, "text")
        tasks.add_task(write, 3)  # wrong
    later = StarletteTasks(request)
    handle = later.add_task(write, "text")
    later.add_task(write, 3)  # wrong
    later.using(delay=3).add_task(write)  # wrong
    return JSONResponse({}, background=later)


async def test() -> None:
    with inline(afterwards), recorded(afterwards) as tasks:
        added: bool = tasks.added(write, "text")
        tasks.added(write, 3)  # wrong
        tasks.count(send, 1)  # wrong
        added = tasks.added(call(write, times=3))
        tasks.added(call(write, "text"), 3)  # wrong
    await afterwards.drain()


async def look(number: UUID) -> None:
    task: Task = await afterwards.get(number)
    state: State = (await afterwards.wait(number, timeout=3)).state
    tasks: list[Task] = await afterwards.find(state="failed", limit=3)
    retried: int = await afterwards.retry_all(error=TimeoutError, function=send, queue="mail", ids=[task.id])
    retried = await afterwards.retry_all(state=State.CANCELLED, error="TimeoutError", function="main:send", key="k")
    await afterwards.cancel_all(added_after=datetime.now(UTC), added_before=datetime.now(UTC))
    gone: bool = await afterwards.delete(task.id)
    await afterwards.delete_all(state=None)  # wrong
    await afterwards.delete_all(added_before="2h")  # wrong
    await afterwards.delete_all(name="main:send")  # wrong
    await afterwards.retry_all(error=ValueError("no"))  # wrong
""",
}


Found = dict[str, dict[int, str]]  # by sample and line, what a checker says


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for name, code in SAMPLES.items():
        (folder / f"{name}.py").write_text(BEGINNING + code, encoding="utf-8")
    unused = {"reportUnusedImport": False, "reportUnusedVariable": False, "reportUnusedFunction": False}
    settings = json.dumps({"typeCheckingMode": "strict", **unused})
    (folder / "pyrightconfig.json").write_text(settings, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found_by_mypy(samples: Path) -> Found:
    report = run(samples, "mypy", "--strict", "--config-file=", f"--cache-dir={ROOT}/.mypy_cache/samples", ".")
    found: Found = {name: {} for name in SAMPLES}
    for name, line, error in re.findall(r"^(\w+)\.py:(\d+): error: (.*)$", report, re.MULTILINE):
        found[name][int(line)] = error
    return found


@pytest.fixture(scope="module")
def found_by_pyright(samples: Path) -> Found:
    report = json.loads(run(samples, "pyright", "--outputjson", "--pythonpath", sys.executable))
    found: Found = {name: {} for name in SAMPLES}
    for error in report["generalDiagnostics"]:
        found[Path(error["file"]).stem][error["range"]["start"]["line"] + 1] = error["message"]
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_mypy_finds_what_is_wrong_and_nothing_else(found_by_mypy: Found, name: str) -> None:
    assert_found_is_what_is_marked(found_by_mypy[name], name)


@pytest.mark.parametrize("name", SAMPLES)
def test_pyright_finds_what_is_wrong_and_nothing_else(found_by_pyright: Found, name: str) -> None:
    assert_found_is_what_is_marked(found_by_pyright[name], name)


def run(folder: Path, *command: str) -> str:
    """What a checker that is installed beside this Python says, run where no settings of ours are."""
    program = Path(sys.executable).with_name(command[0])
    finished = subprocess.run(
        [str(program), *command[1:]],
        cwd=folder,
        env={**SURROUNDINGS, **os.environ},
        stdout=subprocess.PIPE,
        check=False,
    )
    return finished.stdout.decode("utf-8")


def assert_found_is_what_is_marked(found: dict[int, str], name: str) -> None:
    lines = dict(enumerate((BEGINNING + SAMPLES[name]).splitlines(), start=1))
    marked = {number for number, line in lines.items() if line.endswith("# wrong")}
    assert {lines[number]: error for number, error in found.items() if number not in marked} == {}, "right, but refused"
    assert {lines[number] for number in marked - found.keys()} == set(), "wrong, but accepted"
