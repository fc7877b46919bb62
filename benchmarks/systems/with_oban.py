"""Oban for Python, the free one: its start command, a queue of 100, uvloop as it comes; on Python 3.12, its oldest."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from oban import Oban, worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run


@worker(queue="default")
class NoOp:
    """What every task does."""

    async def process(self, job: Any) -> None:
        run(job.args["number"])


def _new(number: int, text: str) -> Any:
    return cast("Any", NoOp).new({"number": number, "text": text})  # which the decorator puts there


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """A client, which runs nothing."""
    async with AsyncConnectionPool(URL, max_size=10) as pool, Oban(pool=pool) as oban:

        async def add_many(numbers: Sequence[int], text: str) -> None:
            await oban.enqueue_many([_new(number, text) for number in numbers])

        yield Adder(add=lambda number, text: oban.enqueue(_new(number, text)), add_many=add_many)


async def _prepare() -> None:
    async with AsyncConnectionPool(URL) as pool:
        await install(pool)


SYSTEM = System(
    adding=adding,
    prepare=_prepare,
    worker=["-m", "oban", "start", "--dsn", URL, "--queues", f"default:{CONCURRENCY}", "--log-level", "WARNING"],
)
