"""The app that the journeys start as real processes: its tasks leave one line each in a file, written at once."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from pathlib import Path

from fastapi import FastAPI

from afterwards import Afterwards, BackgroundTasks, Retry, current_task

MARKS = Path(os.environ["JOURNEY_MARKS"])
LEASE = float(os.environ.get("JOURNEY_LEASE", "15"))
GRACE = float(os.environ.get("JOURNEY_GRACE", "10"))

app = FastAPI()
afterwards = Afterwards(app, retry=Retry(first=0.2), lease=LEASE, grace=GRACE)


def mark(*words: object) -> None:
    """One line, whole, at once: O_APPEND writes of this size are not torn."""
    descriptor = os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


async def work(number: int, seconds: float = 0.0) -> None:
    """Marks its begin and its end."""
    mark("begin", number, os.getpid(), current_task().run)
    await asyncio.sleep(seconds)
    mark("end", number, os.getpid(), current_task().run)


def work_in_thread(number: int, seconds: float = 0.0) -> None:
    """The same as a `def` function."""
    mark("begin", number, os.getpid(), current_task().run)
    time.sleep(seconds)
    mark("end", number, os.getpid(), current_task().run)


async def segfault() -> None:
    """Takes the whole process with it."""
    mark("begin", "segfault", os.getpid(), current_task().run)
    ctypes.string_at(0)


async def block(number: int, seconds: float) -> None:
    """Blocks the event loop, as async code must not."""
    mark("begin", number, os.getpid(), current_task().run)
    time.sleep(seconds)  # noqa: ASYNC251  # this is what it is for
    mark("end", number, os.getpid(), current_task().run)


@app.post("/coroutine/{number}")
async def add_work(number: int, background_tasks: BackgroundTasks, seconds: float = 0.0) -> dict[str, str]:
    """Add one async task."""
    return {"id": str(background_tasks.add_task(work, number, seconds).id)}


@app.post("/thread/{number}")
async def add_thread(number: int, background_tasks: BackgroundTasks, seconds: float = 0.0) -> dict[str, str]:
    """Add one task in a thread."""
    return {"id": str(background_tasks.add_task(work_in_thread, number, seconds).id)}


@app.post("/block/{number}")
async def add_block(number: int, background_tasks: BackgroundTasks, seconds: float) -> dict[str, str]:
    """Add a task that blocks the loop."""
    return {"id": str(background_tasks.add_task(block, number, seconds).id)}


@app.post("/segfault")
async def add_segfault(background_tasks: BackgroundTasks, beside: int = 0) -> dict[str, int]:
    """Add one task that kills its process, among others that sleep a moment."""
    for number in range(beside):
        background_tasks.using(ordered=False).add_task(work, number, 0.1)
        if number == beside // 2:
            background_tasks.using(ordered=False).add_task(segfault)
    return {"pid": os.getpid()}


@app.get("/pid")
async def pid() -> dict[str, int]:
    """Which process answers."""
    return {"pid": os.getpid()}
