"""huey: its consumer with 8 threads, no results stored, all else as it comes.

On SQLite that is WAL without a sync at each commit: a power failure may lose what was added last.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from huey import RedisHuey, SqliteHuey

from systems.contract import URL, Adder, System
from systems.record import run

huey = (
    SqliteHuey(filename=URL.removeprefix("sqlite:///"), results=False)
    if URL.startswith("sqlite")
    else RedisHuey(url=URL, results=False)
)


@huey.task()
def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The huey of the module."""
    yield Adder(add_now=no_op)


SYSTEM = System(
    adding=adding,
    worker=["-m", "huey.bin.huey_consumer", "systems.with_huey.huey", "--workers", "8", "--no-periodic", "--quiet"],
)
