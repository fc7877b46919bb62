"""An app whose tasks run in processes of their own. Started by uvicorn, by `afterwards worker`, and as a script."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

from fastapi import FastAPI

from afterwards import Afterwards, BackgroundTasks, Retry, current_task

app = FastAPI()
afterwards = Afterwards(app, retry=Retry(first=0.1), grace=0.3, processes=1)


def mark(*words: object) -> None:
    """One line."""
    with Path(os.environ["JOURNEY_MARKS"]).open("a", encoding="utf-8") as marks:
        marks.write(" ".join(map(str, words)) + "\n")


@afterwards.task(isolate=True)
def spin_once(number: int) -> None:
    """Never ends in its first run."""
    mark("begin", number, os.getpid(), current_task().run)
    sys.stdout.write(f"number {number} is printed\n")
    while current_task().run == 1:
        pass
    mark("end", number, os.getpid())


@afterwards.task(isolate=True)
def settle(number: int) -> None:
    """Settles itself together with its effect, and never ends afterwards."""
    with sqlite3.connect(os.environ["AFTERWARDS_URL"].removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS effects (number)")
        connection.execute("INSERT INTO effects VALUES (?)", [number])
        current_task().done_in_sync(connection)
    mark("begin", number, os.getpid())
    time.sleep(60)


@app.post("/{number}")
async def add(number: int, background_tasks: BackgroundTasks) -> None:
    """Add one."""
    background_tasks.using(timeout=2).add_task(settle if number < 0 else spin_once, number)
