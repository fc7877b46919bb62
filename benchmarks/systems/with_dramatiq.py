"""dramatiq on Redis: its command with one process and 8 threads, its default for one; hiredis.

It has threads, not coroutines: a hundred of them would only contend for the interpreter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from systems.contract import URL, Adder, System
from systems.record import run

broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor
def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The broker of the module."""
    yield Adder(add_now=no_op.send)


SYSTEM = System(
    adding=adding,
    worker=["-m", "dramatiq", "systems.with_dramatiq:broker", "--processes", "1", "--threads", "8"],
)
