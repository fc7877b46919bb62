"""Chancy: a queue of concurrency 100 on its asyncio executor, polled anew when a job has ended; psycopg in C."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from chancy import Chancy, Queue, Worker, job

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run

chancy = Chancy(URL)


@job()
async def no_op(*, number: int, text: str) -> None:
    """What every task does."""
    run(number)


async def _add(number: int, text: str) -> None:
    await chancy.push(no_op.job.with_kwargs(number=number, text=text))


async def _add_many(numbers: Sequence[int], text: str) -> None:
    jobs = [no_op.job.with_kwargs(number=number, text=text) for number in numbers]
    async for _ in chancy.push_many(jobs):
        pass


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The app, open."""
    async with chancy:
        yield Adder(add=_add, add_many=_add_many)


async def _prepare() -> None:
    async with chancy:
        await chancy.migrate()
        await chancy.declare(
            Queue("default", concurrency=CONCURRENCY, executor=Chancy.Executor.Async, eager_polling=True)
        )


async def main() -> None:
    """What its command does."""
    async with chancy, Worker(chancy) as worker:
        await worker.wait_for_shutdown()


SYSTEM = System(adding=adding, prepare=_prepare, worker=["-m", "systems.with_chancy"])

if __name__ == "__main__":
    asyncio.run(main())
