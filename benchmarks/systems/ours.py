"""Ours: the worker command as it comes, concurrency 100. SQLite runs its worker inside the app, servers beside it.

Many at once is one write of many, as of a request that adds many tasks. Ended tasks are kept for a day.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from afterwards import Afterwards, BackgroundTasks
from afterwards.options import CallOptions
from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run

_SIDE_BY_SIDE = CallOptions(ordered=False)

afterwards = Afterwards(url=URL or None, concurrency=CONCURRENCY)


async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


async def _add_many(numbers: Sequence[int], text: str) -> None:
    batch = afterwards.house.batch()
    for number in numbers:
        batch.add(no_op, (number, text), {}, _SIDE_BY_SIDE)
    await batch.send_off()


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The store, without a worker."""
    async with afterwards.opened():
        yield Adder(add=lambda number, text: afterwards.add(no_op, number, text), add_many=_add_many)


def app() -> FastAPI:
    """By the changed import."""
    numbers = itertools.count()
    app = FastAPI()
    afterwards.install(app)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(no_op, next(numbers), "")
        return {"ok": True}

    return app


async def _prepare() -> None:
    async with afterwards.opened():
        pass


SYSTEM = System(
    adding=adding,
    worker=["-m", "afterwards", "worker", "systems.ours:afterwards"],
    prepare=_prepare,
    app=app,
)
