"""The apps that are measured: one endpoint that adds one no-op task, with different owners of the task."""

from __future__ import annotations

import os

from fastapi import BackgroundTasks as StockBackgroundTasks
from fastapi import FastAPI

from afterwards import Afterwards, BackgroundTasks


async def no_op(number: int) -> None:
    """What every task does."""


def bare() -> FastAPI:
    """No task at all: the ceiling."""
    app = FastAPI()

    @app.post("/")
    async def endpoint() -> dict[str, bool]:
        return {"ok": True}

    return app


def stock() -> FastAPI:
    """FastAPI's own background tasks, which are not stored."""
    app = FastAPI()

    @app.post("/")
    async def endpoint(background_tasks: StockBackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(no_op, 1)
        return {"ok": True}

    return app


def durable() -> FastAPI:
    """Ours, by the changed import."""
    app = FastAPI()
    Afterwards(app, os.environ["BENCH_URL"])

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(no_op, 1)
        return {"ok": True}

    return app


def adopted() -> FastAPI:
    """Ours, with no import changed."""
    app = stock()
    Afterwards(url=os.environ["BENCH_URL"]).adopt(app)
    return app


def __getattr__(name: str) -> Afterwards:
    """`worker`: what a worker process of its own is started with."""
    if name != "worker":
        raise AttributeError(name)
    return Afterwards(url=os.environ["BENCH_URL"])
