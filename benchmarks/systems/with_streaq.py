"""streaq: its worker command, concurrency 100, uvloop; results not kept, no line in the log for each task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from streaq import Worker

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run

worker = Worker(redis_url=URL, concurrency=CONCURRENCY, anyio_kwargs={"use_uvloop": True})


@worker.task(ttl=0, silent=True)
async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


async def _add(number: int, text: str) -> None:
    await no_op.enqueue(number, text)


async def _add_many(numbers: Sequence[int], text: str) -> None:
    await worker.enqueue_many([no_op.enqueue(number, text) for number in numbers])


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The worker object, which adds too."""
    async with worker:
        yield Adder(add=_add, add_many=_add_many)


SYSTEM = System(adding=adding, worker=["-m", "streaq", "run", "systems.with_streaq:worker"])
