"""A supervisor with its worker processes, as a journey watches them from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from afterwards import Afterwards, Former, State, Task
from tests.journeys.harness import HERE, Journey, free_port, until

WELL, NOT_WELL = 200, 503


@dataclass
class Crew:
    """`afterwards worker` of one journey. Its health is asked for on a port of its own."""

    journey: Journey
    process: subprocess.Popen[bytes]
    port: int

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and content of GET /ready; 0 when nobody answers."""
        with contextlib.suppress(httpx2.HTTPError):
            answer = httpx2.get(f"http://127.0.0.1:{self.port}/ready", timeout=5)
            return answer.status_code, answer.json()
        return 0, {}

    def is_ready(self) -> bool:
        return self.health()[0] == WELL

    def pids(self) -> list[int]:
        """The processes in their places, as the supervisor knows them."""
        return [each["pid"] for each in self.health()[1].get("processes", []) if each["pid"] is not None]

    def until_ready(self, what: str = "the workers are ready", *, timeout: float = 30.0) -> list[int]:
        """Their process ids."""
        until(lambda: self.is_ready() or self.process.poll() is not None, what, timeout=timeout)
        assert self.process.poll() is None, self.journey.output()
        return self.pids()

    def terminate(self, *, timeout: float = 30) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL, to the supervisor alone."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def start_crew(journey: Journey, *words: str, place: str = "crew:afterwards", cwd: Path = HERE) -> Crew:
    """Start `afterwards worker`; returns at once."""
    port = free_port()
    command = [sys.executable, "-m", "afterwards", "worker", place, "--health", f"127.0.0.1:{port}", *words]
    return Crew(journey, journey.start(command, cwd=cwd), port)


def add(journey: Journey, *tasks: tuple[str, int, float]) -> None:
    """Store tasks of the crew's functions: name, number, and seconds or mebibytes."""

    async def store(afterwards: Afterwards, portion: Iterable[tuple[str, int, float]]) -> None:
        async with anyio.create_task_group() as group:
            for name, number, amount in portion:
                group.start_soon(_add_one, afterwards, name, number, amount)

    async def store_all() -> None:
        async with opened(journey) as afterwards:
            for start in range(0, len(tasks), 1000):
                await store(afterwards, tasks[start : start + 1000])

    anyio.run(store_all)


async def _add_one(afterwards: Afterwards, name: str, number: int, amount: float) -> None:
    if name == "leak":
        await afterwards.add(_leak, number, int(amount))
    else:
        await afterwards.add(TIMED[name], number, amount)


def opened(journey: Journey) -> contextlib.AbstractAsyncContextManager[Afterwards]:
    """An Afterwards on this journey's store, which knows the crew's functions by name and runs none."""
    afterwards = Afterwards(url=journey.url, worker=False)
    for name, function in FUNCTIONS.items():
        afterwards.task(name=name)(function)
    return afterwards.opened()


async def _work(number: int, seconds: float) -> None: ...


async def _limited(number: int, seconds: float) -> None: ...


async def _rated(number: int, seconds: float) -> None: ...


async def _hold(number: int, seconds: float) -> None: ...


async def _block(number: int, seconds: float) -> None: ...


async def _leak(number: int, mebibytes: int) -> None: ...


async def step(number: int, seconds: float, value: Former[int] = 0) -> int:
    return 0


async def gather(values: Former[list[int]], number: int) -> int:
    return 0


TIMED = {"work": _work, "limited": _limited, "rated": _rated, "hold": _hold, "block": _block}
FUNCTIONS: dict[str, Callable[..., object]] = {
    **TIMED,
    "leak": _leak,
    "step": step,
    "gather": gather,
}


def let_go(journey: Journey) -> None:
    """The tasks called `hold` come to their end."""
    (journey.folder / "let-go").touch()


@contextlib.contextmanager
def locked(journey: Journey) -> Iterator[None]:
    """Inside the block the store is away: somebody else holds the write lock of its file."""
    connection = sqlite3.connect(journey.folder / "journey.db", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


def is_alive(pid: int) -> bool:
    """A process that has ended and is not yet reaped is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def all_tasks(journey: Journey) -> list[Task]:
    """The tasks as they are stored, read page by page: a server would be long over many at once."""

    async def find() -> list[Task]:
        found: list[Task] = []
        async with opened(journey) as afterwards:
            while page := await afterwards.find(limit=1000, after=found[-1].id if found else None):
                found += page
        return found

    return anyio.run(find)


def ran_once_each(journey: Journey, count: int) -> None:
    """Every task began exactly once, and is done in its first attempt."""
    begins = [int(words[0]) for words in journey.marks("begin")]
    assert sorted(begins) == list(range(count))
    assert journey.ended() == set(range(count))
    tasks = all_tasks(journey)
    assert {(task.state, task.attempt, task.crashes) for task in tasks} == {(State.DONE, 1, 0)}
    assert len(tasks) == count
