"""What makes worker processes fast: uvloop where it is installed, and a collector that passes over what stays."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from afterwards.cli.trouble import Trouble


class Loop(StrEnum):
    """What `--loop` takes."""

    AUTO = "auto"
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


def run(which: Loop, work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end in a new loop of that kind. Raises Trouble when there is no uvloop, and it is asked for.

    What has been imported by now stays as long as the process, so that the collector need not look at it again.
    """
    try:
        factory = _factory(which)
    except Trouble:
        work.close()
        raise
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def _factory(which: Loop) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if which is Loop.ASYNCIO:
        return None
    try:
        import uvloop
    except ImportError as error:
        if which is Loop.UVLOOP:
            raise Trouble("--loop uvloop needs uvloop: pip install 'afterwards[uvloop]'") from error
        return None
    return uvloop.new_event_loop
