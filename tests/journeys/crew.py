"""What the journeys of worker processes run: no web app, so that a process is up soon. Tasks leave marks in a file."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from afterwards import Afterwards, Former, Retry, current_task

MARKS = Path(os.environ["JOURNEY_MARKS"])

afterwards = Afterwards(
    retry=Retry(first=0.2),
    lease=float(os.environ.get("JOURNEY_LEASE", "15")),
    grace=float(os.environ.get("JOURNEY_GRACE", "10")),
)
_ballast: list[bytearray] = []

while (gate := os.environ.get("JOURNEY_GATE")) and not Path(gate).exists():  # an app that takes long to import
    time.sleep(0.02)


def mark(*words: object) -> None:
    """One line, whole, at once: O_APPEND writes of this size are not torn."""
    descriptor = os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


@afterwards.task(name="work")
async def work(number: int, seconds: float) -> None:
    """Marks its begin and its end."""
    mark("begin", number, os.getpid(), current_task().run)
    await asyncio.sleep(seconds)
    mark("end", number, os.getpid(), current_task().run)


@afterwards.task(name="limited", limit=3)
async def limited(number: int, seconds: float) -> None:
    """The same, three at once in all processes."""
    await work(number, seconds)


@afterwards.task(name="rated", rate=os.environ.get("JOURNEY_RATE"))
async def rated(number: int, seconds: float) -> None:
    """The same, so many in a period in all processes."""
    await work(number, seconds)


@afterwards.task(name="step")
async def step(number: int, seconds: float, value: Former[int] = 0) -> int:
    """The same, in a chain: one more than the step before."""
    await work(number, seconds)
    return value + 1


@afterwards.task(name="gather")
async def gather(values: Former[list[int]], number: int) -> int:
    """All of a group together."""
    await work(number, 0)
    return sum(values)


@afterwards.task(name="hold")
async def hold(number: int, seconds: float) -> None:
    """Runs until the journey lets go of it."""
    mark("begin", number, os.getpid(), current_task().run)
    while not MARKS.with_name("let-go").exists():
        await asyncio.sleep(0.02)
    mark("end", number, os.getpid(), current_task().run)


@afterwards.task(name="block")
async def block(number: int, seconds: float) -> None:
    """Blocks the event loop, as async code must not."""
    mark("begin", number, os.getpid(), current_task().run)
    time.sleep(seconds)  # noqa: ASYNC251  # this is what it is for
    mark("end", number, os.getpid(), current_task().run)


@afterwards.task(name="leak")
async def leak(number: int, mebibytes: int) -> None:
    """Takes memory and keeps it."""
    mark("begin", number, os.getpid(), current_task().run)
    _ballast.append(bytearray(os.urandom(1024)) * (mebibytes * 1024))
    mark("end", number, os.getpid(), current_task().run)
