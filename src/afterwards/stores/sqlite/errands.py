"""What is asked of the writer or a reader, and how the answer finds the event loop that asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from afterwards.stores.sqlite.transaction import Questions, Transaction

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verb(Generic[Request, Answer]):
    """Something the store does: `write` takes the requests of many callers and brings an answer for each.

    `doing` is for messages: "adding tasks". `alone` writes a request that was refused, when that can be saved in part.
    `asks` tells what `write` will want to read, so that all reads of a batch can be made at once.
    """

    doing: str
    write: Callable[[Transaction, Sequence[Request]], Sequence[Answer]]
    durable: bool = False
    alone: Callable[[Transaction, Request], Answer] | None = None
    asks: Callable[[Sequence[Request]], Questions] | None = None


def each(write: Callable[[Transaction, Request], Answer]) -> Callable[[Transaction, Sequence[Request]], list[Answer]]:
    """A verb that has nothing to gain from seeing its requests together."""
    return lambda transaction, requests: [write(transaction, request) for request in requests]


class Asker:
    """A caller who waits in some event loop for one answer.

    `give_back` gets an answer that nobody waits for any more, and undoes what it handed out.
    """

    def __init__(self, give_back: Callable[[object], None] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.gone = False
        self._future: asyncio.Future[object] = self.loop.create_future()
        self._give_back = give_back

    async def answer(self) -> object:
        """Wait for it. If the caller is cancelled meanwhile, what the answer hands out is given back."""
        try:
            return await self._future
        except (asyncio.CancelledError, GeneratorExit):
            self.gone = True
            if self._future.done() and not self._future.cancelled() and self._future.exception() is None:
                self.miss(self._future.result())
            raise

    def take(self, answer: object, error: Exception | None) -> None:
        """Here it is; called in the asker's loop."""
        if error is not None:
            self._refuse(error)
        elif self.gone or self._future.done():
            self.miss(answer)
        else:
            self._future.set_result(answer)

    def miss(self, answer: object) -> None:
        """It came too late; called from any thread."""
        if self._give_back is not None:
            self._give_back(answer)

    def _refuse(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)


@dataclass(slots=True, kw_only=True, eq=False)
class Errand:
    """One request on its way to a thread and back. Nobody asks for some: then the answer is dropped.

    `deadline` is on the monotonic clock; `alone` says that it was refused once and is now written with care.
    """

    verb: Verb[object, object]
    request: object
    deadline: float
    asker: Asker | None = None
    alone: bool = False
    answer: object = None
    error: Exception | None = None

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more, so that it need not be begun."""
        return self.asker is not None and self.asker.gone

    def deliver(self) -> None:
        """Hand over what became of it; in the asker's loop."""
        if self.asker is not None:
            self.asker.take(self.answer, self.error)

    def miss(self) -> None:
        """The asker is not there any more, or his loop has been closed."""
        if self.asker is not None and self.error is None:
            self.asker.miss(self.answer)


def deliver(errands: Iterable[Errand]) -> None:
    """Hand every answer to its loop, with one call for each loop: waking one is dear."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Errand]] = defaultdict(list)
    for errand in errands:
        if errand.abandoned:
            errand.miss()
        elif errand.asker is not None:
            by_loop[errand.asker.loop].append(errand)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, answered)
        except RuntimeError:  # the loop has been closed
            for errand in answered:
                errand.miss()


def _deliver_all(errands: Sequence[Errand]) -> None:
    for errand in errands:
        errand.deliver()


def plain(verb: Verb[Request, Answer]) -> Verb[object, object]:
    """The verb as threads carry it, who do not look into requests."""
    return cast("Verb[object, object]", verb)
