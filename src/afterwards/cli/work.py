"""The command `worker`: a worker without the web app. The first signal lets it finish, a later one ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from afterwards import environment
from afterwards.app import Afterwards
from afterwards.cli.trouble import Trouble
from afterwards.house import House

_LOG = "%(asctime)s %(levelname)-7s %(message)s"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ONE_WISH = 0.5  # seconds: Ctrl-C may come from the terminal and once more from what started us


def work(afterwards: Afterwards, *, concurrency: int | None, queues: Sequence[str], verbose: bool) -> None:
    """Run tasks until told to stop; `verbose` logs a line for each. Raises Trouble, StoreUnusable."""
    if environment.runs_inline():
        raise Trouble(
            "AFTERWARDS_MODE is set, which is for tests: tasks then run where they are added, not in a worker"
        )
    logging.basicConfig(level=logging.INFO, format=_LOG)
    if verbose:
        logging.getLogger("afterwards").setLevel(logging.DEBUG)
    house = afterwards.house
    options = house.settings.options
    options = replace(
        options, concurrency=concurrency or options.concurrency, queues=tuple(queues) if queues else options.queues
    )
    house.settings = replace(house.settings, worker=True, options=options)
    asyncio.run(_until_told(house))


async def _until_told(house: House) -> None:
    told = asyncio.Event()
    _on_signals(asyncio.get_running_loop(), told.set)
    async with house.opened(), house.working():
        await told.wait()


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """The first signal stops; a later one ends the process, and what ran will run again elsewhere."""
    first_heard: float | None = None

    def heard(number: int, frame: object) -> None:
        nonlocal first_heard
        if first_heard is None:
            first_heard = time.monotonic()
            loop.call_soon_threadsafe(stop)
        elif time.monotonic() - first_heard >= _ONE_WISH:
            _end(number)

    for each in _SIGNALS:
        signal.signal(each, heard)


def _end(number: int) -> None:
    sys.stderr.write("a second signal: ending at once; what runs now will run again\n")
    sys.stderr.flush()
    os._exit(128 + number)
