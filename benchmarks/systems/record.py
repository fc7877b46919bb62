"""What every task does, in every system alike: it notes in a file that is shared by all processes when it started.

So the runs are counted outside of the system that is measured, by one clock, and a task that was lost or ran twice is
seen. The file has eight bytes for each task, when it last started in nanoseconds (zero: never), and then a byte for
each, how often it did. The clock is the same in all processes of a machine. A file beside it has a line for each
process, when it ran its first task.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns

BYTES = 9  # for each task


class Record:
    """The record in one file, of as many tasks as that has room for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.room = len(self._map) // BYTES
        self.started = memoryview(self._map)[: 8 * self.room].cast("q")
        self.runs = memoryview(self._map)[8 * self.room :]

    @classmethod
    def made(cls, path: Path, room: int) -> Record:
        """A new one, with nothing in it."""
        with path.open("wb") as file:
            file.truncate(room * BYTES)
        return cls(path)

    def count(self, until: int) -> int:
        """How many of the tasks up to that number have run."""
        return until - bytes(self.runs[:until]).count(0)

    def twice(self, until: int) -> int:
        """How many of them have run more than once."""
        runs = bytes(self.runs[:until])
        return until - runs.count(0) - runs.count(1)

    def starts(self, until: int) -> list[int]:
        """When those that have run started, the earliest first."""
        return sorted(start for start in array("q", self.started[:until]) if start)

    def processes(self) -> list[int]:
        """When each process that has run any ran its first, the earliest first."""
        path = _beside(self._path)
        return sorted(map(int, path.read_text().split())) if path.exists() else []


def _what_is_done(path: Path) -> Callable[[int], None]:
    record = Record(path)
    started, runs = record.started, record.runs
    is_new = True

    def run(number: int) -> None:
        nonlocal is_new
        started[number] = monotonic_ns()
        runs[number] += 1
        if is_new:
            is_new = False
            with _beside(path).open("a") as file:
                file.write(f"{monotonic_ns()}\n")

    def anew() -> None:
        nonlocal is_new
        is_new = True

    os.register_at_fork(after_in_child=anew)
    return run


def _beside(path: Path) -> Path:
    return path.with_suffix(".processes")


def _nothing(number: int) -> None:
    """Where nobody keeps a record."""


run: Callable[[int], None] = (
    _what_is_done(Path(os.environ["BENCH_RECORD"])) if "BENCH_RECORD" in os.environ else _nothing
)
