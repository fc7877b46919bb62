"""awa-pg, whose core is in Rust: an asynchronous client, 100 workers on the queue; bulk adds by its COPY."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from awa import AsyncClient

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run


@dataclass
class NoOp:
    """The arguments of a task, which name it too."""

    number: int
    text: str


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """One client."""
    client = AsyncClient(URL)

    async def add_many(numbers: Sequence[int], text: str) -> None:
        await client.enqueue_many_copy([NoOp(number, text) for number in numbers])

    yield Adder(add=lambda number, text: client.insert(NoOp(number, text)), add_many=add_many)
    await client.close()


async def _prepare() -> None:
    client = AsyncClient(URL)
    await client.migrate()

    @client.task(NoOp, queue="default")
    async def no_op(job: Any) -> None:
        """Of the worker whose first start decides how jobs are stored."""

    await client.start([("default", 1)])
    await client.shutdown()
    await client.close()


async def main() -> None:
    """It has no command for workers: this is the one of its documentation."""
    client = AsyncClient(URL)

    @client.task(NoOp, queue="default")
    async def no_op(job: Any) -> None:
        run(job.args.number)

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await client.start([("default", CONCURRENCY)])
    await stopped.wait()
    await client.shutdown()


SYSTEM = System(adding=adding, prepare=_prepare, worker=["-m", "systems.with_awa"])

if __name__ == "__main__":
    asyncio.run(main())
