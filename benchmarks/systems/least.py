"""A bound, and nothing to use: the least that has a task in SQLite before the response, runs it and writes that down.

One thread writes what has gathered, adds and ends together, with FULL. Nothing is named, checked, retried, fenced,
leased, claimed or shown, no other process may work, and what was left by one that died stays where it is.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Annotated

from fastapi import Depends, FastAPI

from systems.contract import URL, System
from systems.record import run

Function = Callable[[int, str], Awaitable[None]]
Add = tuple[bytes, str, str]
Adds = list[tuple[Add, asyncio.Future[None]]]
Ends = list[tuple[bytes]]


async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


class Least:
    """One writing thread, which answers into the event loop that began it."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[tuple[Adds, Ends] | None] = SimpleQueue()
        self._adds: Adds = []
        self._ends: Ends = []
        self._running = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Write inside the block."""
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._write)
        thread.start()
        yield
        self._inbox.put(None)
        await asyncio.to_thread(thread.join)

    async def add(self, function: Function, number: int, text: str) -> None:
        """Stored when it returns; then it runs."""
        task_id, stored = os.urandom(16), self._loop.create_future()
        self._hand_in_later()
        self._adds.append(((task_id, "systems.least:no_op", json.dumps({"number": number, "text": text})), stored))
        await stored
        task = self._loop.create_task(self._run(task_id, function, number, text))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, task_id: bytes, function: Function, number: int, text: str) -> None:
        await function(number, text)
        self._hand_in_later()
        self._ends.append((task_id,))

    def _hand_in_later(self) -> None:
        if not self._adds and not self._ends:
            self._loop.call_soon(self._hand_in)

    def _hand_in(self) -> None:
        handed, self._adds, self._ends = (self._adds, self._ends), [], []
        self._inbox.put(handed)

    def _write(self) -> None:
        file = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None)
        file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE tasks (id BLOB PRIMARY KEY, name TEXT, arguments TEXT, state INTEGER) WITHOUT ROWID")
        while (handed := self._inbox.get()) is not None:
            batch = [handed]
            with suppress(Empty):
                while (more := self._inbox.get_nowait()) is not None:
                    batch.append(more)
            adds = [add for some, _ in batch for add in some]
            file.execute("BEGIN IMMEDIATE")
            file.executemany("INSERT INTO tasks VALUES (?, ?, ?, 1)", [add for add, _ in adds])
            file.executemany("UPDATE tasks SET state = 2 WHERE id = ?", [end for _, ends in batch for end in ends])
            file.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._answer, adds)
        file.close()

    def _answer(self, adds: Adds) -> None:
        for _, stored in adds:
            if not stored.done():
                stored.set_result(None)


class Tasks:
    """Of one request."""

    def __init__(self) -> None:
        self.calls: list[tuple[Function, int, str]] = []

    def add_task(self, function: Function, number: int, text: str) -> None:
        """Store it with the others of the request."""
        self.calls.append((function, number, text))


async def tasks_of_request() -> Tasks:
    """As a dependency."""
    return Tasks()


def app() -> FastAPI:
    """One endpoint, one task."""
    numbers, least = itertools.count(), Least()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with least.working():
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/")
    async def endpoint(tasks: Annotated[Tasks, Depends(tasks_of_request)]) -> dict[str, bool]:
        tasks.add_task(no_op, next(numbers), "")
        for function, number, text in tasks.calls:
            await least.add(function, number, text)
        return {"ok": True}

    return app


SYSTEM = System(app=app)
