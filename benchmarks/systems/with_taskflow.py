"""fastapi-taskflow on SQLite, in the app: plain FastAPI background tasks, taken over; stored at intervals, as it comes.

Tasks are marked to be kept for a restart.
"""

from __future__ import annotations

import itertools

from fastapi import BackgroundTasks, FastAPI
from fastapi_taskflow import TaskAdmin, TaskManager

from systems.contract import URL, System
from systems.record import run

tasks = TaskManager(snapshot_db=URL.removeprefix("sqlite:///"))


@tasks.task(persist=True)
async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


def app() -> FastAPI:
    """One endpoint, one task."""
    numbers = itertools.count()
    app = FastAPI()
    TaskAdmin(app, tasks, auto_install=True)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(no_op, next(numbers), "")
        return {"ok": True}

    return app


SYSTEM = System(app=app)
