"""saq: its worker command, concurrency 100, results kept for ten minutes as it comes, hiredis or psycopg in C.

On PostgreSQL its pool has 20 connections, the number of its own default.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run


async def no_op(context: dict[str, Any], *, number: int, text: str) -> None:
    """What every task does."""
    run(number)


def _queue() -> Any:
    if not URL.startswith("postgresql"):
        return Queue.from_url(URL)
    from psycopg_pool import AsyncConnectionPool
    from saq.queue.postgres import PostgresQueue

    return PostgresQueue(AsyncConnectionPool(URL, open=False, min_size=4, max_size=20), manage_pool_lifecycle=True)


queue = _queue()
settings = {"queue": queue, "functions": [no_op], "concurrency": CONCURRENCY}


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """One queue."""
    await queue.connect()
    yield Adder(add=lambda number, text: queue.enqueue("no_op", number=number, text=text))
    await queue.disconnect()


SYSTEM = System(adding=adding, worker=["-m", "saq", "systems.with_saq.settings", "--quiet"])
