"""The command `worker`: a worker without the web app. The first signal lets it finish, the second ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from afterwards.app import Afterwards
from afterwards.cli.trouble import Trouble
from afterwards.house import House

_LOG = "%(asctime)s %(levelname)-7s %(message)s"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def work(afterwards: Afterwards, *, concurrency: int | None, queues: Sequence[str], verbose: bool) -> None:
    """Run tasks until told to stop; `verbose` logs a line for each. Raises Trouble, StoreUnusable."""
    if os.environ.get("AFTERWARDS_MODE"):
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
    """The first signal stops; the second ends the process, and what ran will run again elsewhere."""

    def heard(number: int, frame: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, _end)
        loop.call_soon_threadsafe(stop)

    for each in _SIGNALS:
        signal.signal(each, heard)


def _end(number: int, frame: object) -> None:
    sys.stderr.write("a second signal: ending at once; what runs now will run again\n")
    sys.stderr.flush()
    os._exit(128 + number)
