"""The journeys' app whose tasks have dependencies: each leaves its marks, with the process in which it was solved."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import Depends, FastAPI

from afterwards import SOLVED, Afterwards, BackgroundTasks, current_task

MARKS = os.environ["JOURNEY_MARKS"]

app = FastAPI()
afterwards = Afterwards(app)


def mark(*words: object) -> None:
    """One line, whole, at once."""
    descriptor = os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


def address() -> str:
    """Overridden below, as a deployment may do it."""
    return "smtp.example.com"


def own_address() -> str:
    """In its place."""
    return "localhost"


class Mailer:
    """Knows where it was made."""

    def __init__(self, host: Annotated[str, Depends(address)]) -> None:
        self.host = host


async def opened_mailer(mailer: Annotated[Mailer, Depends()]) -> AsyncIterator[Mailer]:
    """A mailer that is closed after the task."""
    mark("opened", os.getpid(), current_task().run)
    yield mailer
    mark("closed", os.getpid(), current_task().run)


def session() -> Iterator[str]:
    """In threads."""
    yield f"session-{os.getpid()}"
    mark("committed", os.getpid())


app.dependency_overrides[address] = own_address


async def send(
    number: int,
    background_tasks: BackgroundTasks = SOLVED,
    mailer: Annotated[Mailer, Depends(opened_mailer)] = SOLVED,
    its: Annotated[str, Depends(session)] = SOLVED,
) -> None:
    """Sends, and adds what is to be done next."""
    background_tasks.add_task(archive, number)
    mark("sent", number, mailer.host, its, os.getpid())
    if current_task().run <= int(os.environ.get("JOURNEY_DIES", "0")):
        os.kill(os.getpid(), 9)


def archive(number: int) -> None:
    """What the first one adds."""
    mark("end", number, os.getpid())


@app.post("/send/{number}")
async def add(number: int, background_tasks: BackgroundTasks) -> dict[str, int]:
    """Add one."""
    background_tasks.add_task(send, number)
    return {"pid": os.getpid()}
