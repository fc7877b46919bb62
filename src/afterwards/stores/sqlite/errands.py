"""What is asked of the writer or a reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from afterwards.asking import Asked
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


@dataclass(slots=True, kw_only=True, eq=False)
class Errand(Asked):
    """One request on its way to a thread and back.

    `deadline` is on the monotonic clock; `alone` says that it was refused once and is now written with care.
    `give_back` gets an answer that nobody waits for any more, and undoes what it handed out.
    """

    verb: Verb[object, object]
    request: object
    deadline: float
    give_back: Callable[[object], None] | None = None
    alone: bool = False

    def miss(self) -> None:
        """Nobody hears the answer: what it handed out would never be run."""
        if self.error is None and self.give_back is not None:
            self.give_back(self.answer)


def plain(verb: Verb[Request, Answer]) -> Verb[object, object]:
    """The verb as threads carry it, who do not look into requests."""
    return cast("Verb[object, object]", verb)
