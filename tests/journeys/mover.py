"""Moves tasks as `afterwards move` does, and kills itself with SIGKILL beside a chosen verb.

`python mover.py SOURCE DESTINATION WHEN VERB COUNT`: `before` or `after` the store has done `VERB` for that time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from afterwards.moving import move
from afterwards.store import Store
from afterwards.stores import store_for

Done = Callable[..., Awaitable[object]]


def dying(verb: Done, when: str, count: int) -> Done:
    """The same verb, which ends this process when its time has come."""
    left = count

    async def do(*arguments: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            die()
        answer = await verb(*arguments, **named)
        if left == 0:
            die()
        return answer

    return do


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(source: Store, destination: Store, when: str, verb: str, count: int) -> None:
    store = destination if verb == "receive" else source
    await source.open()
    await destination.open()
    setattr(store, verb, dying(getattr(store, verb), when, count))
    await move(source, destination)


if __name__ == "__main__":
    source, destination, when, verb, count = sys.argv[1:]
    asyncio.run(main(store_for(source), store_for(destination), when, verb, int(count)))
