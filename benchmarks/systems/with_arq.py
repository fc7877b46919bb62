"""arq: its worker command, max_jobs 100, results not kept, hiredis; all else as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import func

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run


async def no_op(context: dict[str, Any], number: int, text: str) -> None:
    """What every task does."""
    run(number)


class Worker:
    """What the command reads."""

    functions: ClassVar = [func(no_op, keep_result=0)]
    redis_settings = RedisSettings.from_dsn(URL)
    max_jobs = CONCURRENCY


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """One pool."""
    pool = await create_pool(Worker.redis_settings)
    yield Adder(add=lambda number, text: pool.enqueue_job("no_op", number, text))
    await pool.aclose()


SYSTEM = System(adding=adding, worker=["-m", "arq", "systems.with_arq.Worker"])
