"""Gives notice to other processes that there may be something to claim; never in a transaction that does more.

A notice locks out all others of the server until its transaction has ended, so there are few of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from afterwards.stores.postgres.errands import Errand, plain
from afterwards.stores.postgres.verbs import NOTIFY
from afterwards.tasks import Claim

APART = 0.01  # seconds between two of one process
_WORTHLESS_AFTER = 1.0  # by then everybody has looked without it


class Notices:
    """The first is given at once, what comes soon after it together."""

    def __init__(self, hand_in: Callable[[list[Errand]], None], channel: Callable[[], str]) -> None:
        self._hand_in = hand_in
        self._channel = channel
        self._owed = asyncio.Event()

    def owe(self) -> None:
        """Something was written that may be claimed."""
        self._owed.set()

    async def run(self) -> None:
        """Give notice until cancelled."""
        while True:
            await self._owed.wait()
            self._owed.clear()
            self._hand_in([self._errand()])
            await asyncio.sleep(APART)

    def _errand(self) -> Errand:
        deadline = time.monotonic() + _WORTHLESS_AFTER
        return Errand(verb=plain(NOTIFY), request=self._channel(), deadline=deadline, give_back=_nothing_claimed)


def _nothing_claimed(_: list[Claim]) -> None:
    """A notice claims nothing."""
