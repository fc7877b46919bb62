"""Lays side by side what one event loop asks for in one of its rounds, so that it is handed in together.

A burst of requests is served in one round. If each woke the writer, it would begin with the first of them alone, and
the others would wait for a second write. No timer: the round ends when everything that was ready has run.
"""

from __future__ import annotations

import asyncio

from afterwards.stores.sqlite.desk import Desk
from afterwards.stores.sqlite.errands import Errand


class Tray:
    """Belongs to one desk; each event loop has a pile of its own on it, which only that loop touches."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._piles: dict[asyncio.AbstractEventLoop, list[Errand]] = {}

    def lay(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        """Hand it in when this round of the running loop is over."""
        pile = self._piles.get(loop)
        if pile is None:
            self._piles[loop] = [errand]
            loop.call_soon(self._hand_in, loop)
        else:
            pile.append(errand)

    def _hand_in(self, loop: asyncio.AbstractEventLoop) -> None:
        self._desk.hand_in(self._piles.pop(loop))
