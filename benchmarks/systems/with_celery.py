"""Celery on Redis: one worker with a pool of 100 threads, faster here than its other pools; no results, JSON.

Without gossip and mingling.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from celery import Celery

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run

app = Celery("bench", broker=URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(name="no_op")
def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The app's own pool of connections."""
    yield Adder(add_now=no_op.delay)


SYSTEM = System(
    adding=adding,
    worker=[
        *("-m", "celery", "--app", "systems.with_celery", "worker", "--loglevel", "WARNING"),
        *("--pool", "threads", "--concurrency", str(CONCURRENCY), "--without-gossip", "--without-mingle"),
        *("--hostname", f"bench-{os.getpid()}@%h"),
    ],
)
