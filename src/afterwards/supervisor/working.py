"""Works in this process until told to stop, or to rest. Knows nothing of who tells it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

from afterwards.house import House
from afterwards.supervisor.watch import Watch
from afterwards.supervisor.wish import Wish
from afterwards.worker import Worker

ONE_WISH = 0.5  # seconds: Ctrl-C may come from the terminal and once more from what started us


async def work(house: House, watch: Watch, *, stop: Wish, rest: Wish) -> None:
    """Run tasks until `stop`, or after `rest` until nothing runs any more. Raises StoreUnusable."""
    watch.hear(house.events)
    async with house.opened(), house.working() as worker:
        watch.come_up()
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(stop.wait()), group.create_task(_rested(worker, rest))]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()


def on_signals(wanted: Callable[[], None], *, heeded: tuple[signal.Signals, ...]) -> None:
    """The first signal calls `wanted`; a later one ends the process, and what ran will run again elsewhere."""
    first_heard: float | None = None

    def heard(number: int, frame: object) -> None:
        nonlocal first_heard
        if first_heard is None:
            first_heard = time.monotonic()
            wanted()
        elif time.monotonic() - first_heard >= ONE_WISH:
            _end(number)

    for each in heeded:
        signal.signal(each, heard)


async def _rested(worker: Worker | None, rest: Wish) -> None:
    await rest.wait()
    if worker is not None:
        await worker.rest()


def _end(number: int) -> None:
    sys.stderr.write("a second signal: ending at once; what runs now will run again\n")
    sys.stderr.flush()
    os._exit(128 + number)
