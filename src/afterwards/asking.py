"""How what is asked in an event loop goes to a thread, and how the answer finds its way back. Common to all stores."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar


class Asker:
    """A caller who waits in some event loop for one answer."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.gone = False
        self._future: asyncio.Future[object] = self.loop.create_future()

    async def answer(self, miss: Callable[[], None]) -> object:
        """Wait for it. If the caller is cancelled meanwhile, `miss` undoes what the answer hands out."""
        try:
            return await self._future
        except (asyncio.CancelledError, GeneratorExit):
            self.gone = True
            if self._future.done() and not self._future.cancelled() and self._future.exception() is None:
                miss()
            raise

    def take(self, answer: object, error: Exception | None) -> bool:
        """Here it is; called in the asker's loop. Whether somebody took it."""
        if self.gone or self._future.done():
            return False
        if error is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(answer)
        return True


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """What was asked for, and what became of it. Nobody asks for some: then the answer is dropped."""

    asker: Asker | None = None
    answer: object = None
    error: Exception | None = None

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more."""
        return self.asker is not None and self.asker.gone

    def deliver(self) -> None:
        """Hand over what became of it; in the asker's loop."""
        if self.asker is not None and not self.asker.take(self.answer, self.error):
            self.miss()

    def miss(self) -> None:
        """Nobody hears the answer: undo what it handed out, if it did. Called from any thread."""


A = TypeVar("A", bound=Asked)


class Tray(Generic[A]):
    """Lays side by side what one event loop asks for in one of its rounds, so that it is handed in together.

    A burst of requests is served in one round. If each woke the thread, it would begin with the first of them alone,
    and the others would wait for a second write. No timer: the round ends when everything that was ready has run.
    """

    def __init__(self, hand_in: Callable[[list[A]], None]) -> None:
        self._hand_in = hand_in
        self._piles: dict[asyncio.AbstractEventLoop, list[A]] = {}  # each touched by its own loop only

    def lay(self, asked: A, loop: asyncio.AbstractEventLoop) -> None:
        """Hand it in when this round of the running loop is over."""
        pile = self._piles.get(loop)
        if pile is None:
            self._piles[loop] = [asked]
            loop.call_soon(self._hand_in_pile, loop)
        else:
            pile.append(asked)

    def _hand_in_pile(self, loop: asyncio.AbstractEventLoop) -> None:
        self._hand_in(self._piles.pop(loop))


def deliver(all_asked: Iterable[Asked]) -> None:
    """Hand every answer to its loop, with one call for each loop: waking one is dear."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Asked]] = defaultdict(list)
    for asked in all_asked:
        if asked.abandoned:
            asked.miss()
        elif asked.asker is not None:
            by_loop[asked.asker.loop].append(asked)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, answered)
        except RuntimeError:  # the loop has been closed
            for asked in answered:
                asked.miss()


def _deliver_all(answered: Sequence[Asked]) -> None:
    for asked in answered:
        asked.deliver()
