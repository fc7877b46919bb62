"""What is asked of the writer or a reader, and how the answer finds the event loop that asked."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from afterwards.stores.sqlite.transaction import Transaction

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verb(Generic[Request, Answer]):
    """Something the store does: `write` takes the requests of many callers and brings an answer for each.

    `doing` is for messages: "adding tasks". `alone` writes a request that was refused, when that can be saved in part.
    """

    doing: str
    write: Callable[[Transaction, Sequence[Request]], Sequence[Answer]]
    durable: bool = False
    alone: Callable[[Transaction, Request], Answer] | None = None


def each(write: Callable[[Transaction, Request], Answer]) -> Callable[[Transaction, Sequence[Request]], list[Answer]]:
    """A verb that has nothing to gain from seeing its requests together."""
    return lambda transaction, requests: [write(transaction, request) for request in requests]


class Errand:
    """One request on its way to a thread and back.

    `give_back` gets an answer that nobody waits for any more, and undoes what it handed out.
    """

    def __init__(
        self,
        verb: Verb[object, object],
        request: object,
        *,
        patience: float,
        give_back: Callable[[object], None] | None = None,
    ) -> None:
        self.verb = verb
        self.request = request
        self.deadline = time.monotonic() + patience
        self.loop = asyncio.get_running_loop()
        self.alone = False
        self.answer: object = None
        self.error: Exception | None = None
        self._future: asyncio.Future[object] = self.loop.create_future()
        self._give_back = give_back
        self._abandoned = False

    async def answered(self) -> object:
        """Wait for the answer. If the caller is cancelled meanwhile, what the answer hands out is given back."""
        try:
            return await self._future
        except asyncio.CancelledError:
            self._abandoned = True
            if self._future.done() and not self._future.cancelled() and self._future.exception() is None:
                self._return(self._future.result())
            raise

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more, so that it need not be begun."""
        return self._abandoned

    def deliver(self) -> None:
        """Hand over what became of it; in the loop that asked."""
        if self._abandoned or self._future.done():
            self.undelivered()
        elif self.error is not None:
            self._future.set_exception(self.error)
        else:
            self._future.set_result(self.answer)

    def undelivered(self) -> None:
        """Nobody is there to take the answer."""
        if self.error is None:
            self._return(self.answer)

    def _return(self, answer: object) -> None:
        if self._give_back is not None:
            self._give_back(answer)


def deliver(errands: Iterable[Errand]) -> None:
    """Hand every answer to its loop, with one call for each loop: waking one is dear."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Errand]] = defaultdict(list)
    for errand in errands:
        by_loop[errand.loop].append(errand)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, answered)
        except RuntimeError:  # the loop has been closed
            for errand in answered:
                errand.undelivered()


def _deliver_all(errands: Sequence[Errand]) -> None:
    for errand in errands:
        errand.deliver()


def plain(verb: Verb[Request, Answer]) -> Verb[object, object]:
    """The verb as threads carry it, who do not look into requests."""
    return cast("Verb[object, object]", verb)
