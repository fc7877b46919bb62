"""How late an event loop is: asks it from another thread to answer at once, and looks at the clock.

So it is known while something blocks the loop, and not only when that is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import timedelta

NO_LAG = timedelta(0)


class LoopLag:
    """Of one loop. `note` is called in it with each lag."""

    def __init__(self, loop: asyncio.AbstractEventLoop, note: Callable[[timedelta], None]) -> None:
        self._loop = loop
        self._note = note
        self._asked: float | None = None
        self._longest = NO_LAG

    def ask(self) -> None:
        """Again and again, from another thread; not anew while the loop owes an answer."""
        if self._asked is None and not self._loop.is_closed():
            self._asked = time.monotonic()
            with contextlib.suppress(RuntimeError):  # it was closed just now
                self._loop.call_soon_threadsafe(self._answer)

    def longest(self) -> timedelta:
        """Since this was called last; a loop that owes an answer is as late as that."""
        longest, self._longest = self._longest, NO_LAG
        asked = self._asked
        return longest if asked is None or self._loop.is_closed() else max(longest, _since(asked))

    def _answer(self) -> None:
        if self._asked is not None:
            lag, self._asked = _since(self._asked), None
            self._longest = max(self._longest, lag)
            self._note(lag)


def _since(instant: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - instant)
