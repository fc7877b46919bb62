"""FastAPI's own background tasks, which are Starlette's: run after the response, in the app, and stored nowhere."""

from __future__ import annotations

import itertools

from fastapi import BackgroundTasks, FastAPI

from systems.contract import System
from systems.record import run


async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


def app() -> FastAPI:
    """One endpoint, one task."""
    numbers = itertools.count()
    app = FastAPI()

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(no_op, next(numbers), "")
        return {"ok": True}

    return app


SYSTEM = System(app=app)
