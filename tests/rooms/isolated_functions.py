"""Functions that run in processes of their own. Imported by the tests, and by those processes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends

from afterwards import SOLVED, Afterwards, Again, BackgroundTasks, Former, Stop, TimedOut, current_task

# In a process of its own this is the one by which functions are found; the tests note them with one of their own too.
afterwards = Afterwards(url=os.environ.get("URL_OF_ISOLATED", "sqlite://"))

MIB = 1024**2
log = logging.getLogger("tests.isolated")


class Picky(Exception):
    """Known to this module only: what is pickled or compared by the worker would need it."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} is not {other}")


def note(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def who(path: str) -> None:
    note(path, str(os.getpid()))


def spins(path: str) -> None:
    note(path, str(os.getpid()))
    while True:
        pass


async def blocks(path: str) -> None:
    note(path, str(os.getpid()))
    while True:
        pass


async def sleeps(path: str) -> None:
    note(path, str(os.getpid()))
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note(path, "cancelled")
        raise


def holds_everything(path: str) -> None:
    """Without letting go of the interpreter, so that no other thread of its process runs."""
    note(path, str(os.getpid()))
    ctypes.PyDLL(None).sleep(60)


def starts_a_program(path: str) -> None:
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    note(path, str(program.pid))
    program.wait()


def dies(how: str) -> None:
    match how:
        case "exit":
            os._exit(3)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fork":  # what it leaves behind holds everything open that it had
            if os.fork():
                os._exit(4)
            time.sleep(60)


def takes_memory(mebibytes: int) -> None:
    taken = []
    for _ in range(mebibytes):
        taken.append(bytearray(MIB))
        time.sleep(0.001)
    time.sleep(0.2)


def fails_once_picky(path: str) -> None:
    note(path, str(current_task().attempt))
    if current_task().attempt == 1:
        raise Picky(1, 2)


def always_picky() -> None:
    raise Picky(1, 2)


def asks(how: str) -> None:
    if how == "stop":
        raise Stop("no more of this")
    if current_task().run == 1:
        raise Again(after=0)


def tells(path: str) -> None:
    task = current_task()
    note(path, f"{task.id} {task.name} {task.attempt} {task.run}")


def speaks() -> None:
    log.debug("not wanted")
    log.warning("a warning of %s", "the task", extra={"order": 7})
    try:
        raise Picky(3, 4)
    except Picky:
        log.exception("an error")


async def opened() -> AsyncGenerator[str]:
    try:
        yield "a dependency"
    except TimedOut:
        raise
    finally:
        logging.getLogger("tests.isolated").warning("torn down")


async def depends(path: str, what: Annotated[str, Depends(opened)] = SOLVED) -> None:
    note(path, f"{what} {os.getpid()}")


def adds(path: str, tasks: BackgroundTasks) -> None:
    tasks.add_task(who, path)
    tasks.using(queue="later", delay=3600).add_task(who, path)


def adds_by_itself(path: str) -> None:
    afterwards.add_sync(who, path)


ISOLATED: list[Callable[..., Any]] = [
    who,
    spins,
    blocks,
    sleeps,
    holds_everything,
    starts_a_program,
    dies,
    fails_once_picky,
    always_picky,
    asks,
    tells,
    speaks,
    depends,
    adds,
    adds_by_itself,
]


def tells_how_far(path: str, *, stays: bool) -> dict[str, int]:
    log.warning("it begins")
    current_task().progress(1, of=2, say="half")
    while stays and not Path(path).exists():
        time.sleep(0.01)
    current_task().progress(2, of=2)
    return {"pages": 2}


def isolate_all(by: Afterwards) -> None:
    for function in ISOLATED:
        by.task(isolate=True)(function)
    by.task(isolate=True, max_memory="256MB")(takes_memory)
    by.task(isolate=True, keep_result=True, keep_logs=True)(tells_how_far)


isolate_all(afterwards)


@afterwards.task(isolate=True)
def doubled(value: Former[int]) -> int:
    return value * 2
