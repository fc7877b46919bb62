"""pgqueuer: what its run command does, in batches of 100, with no cap on what runs at once; a pool of asyncpg, uvloop.

Its tables are durable, the setting it comes with. What has ended goes into its log table.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pgqueuer
import uvloop
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run


@asynccontextmanager
async def worker() -> AsyncGenerator[PgQueuer]:
    """What its command runs."""
    async with asyncpg.create_pool(URL, ssl=False) as pool:
        queue = PgQueuer(AsyncpgPoolDriver(pool))

        @queue.entrypoint("no_op")
        async def no_op(job: Job) -> None:
            assert job.payload is not None, "every task here has its arguments"
            number, _ = json.loads(job.payload)
            run(number)

        yield queue


def _payload(number: int, text: str) -> bytes:
    return json.dumps([number, text]).encode()


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """One pool."""
    async with asyncpg.create_pool(URL, ssl=False) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))

        async def add_many(numbers: Sequence[int], text: str) -> None:
            payloads = [_payload(number, text) for number in numbers]
            await queries.enqueue(["no_op"] * len(numbers), payloads, [0] * len(numbers))

        yield Adder(
            add=lambda number, text: queries.enqueue("no_op", _payload(number, text)),
            add_many=add_many,
        )


async def _prepare() -> None:
    async with asyncpg.create_pool(URL, ssl=False) as pool:
        await Queries(AsyncpgPoolDriver(pool)).install()


async def main() -> None:
    """What its command does, which does not start with this version of what it reads its options with."""
    await pgqueuer.run(worker, batch_size=CONCURRENCY)


SYSTEM = System(adding=adding, prepare=_prepare, worker=["-m", "systems.with_pgqueuer"])

if __name__ == "__main__":
    uvloop.run(main())
