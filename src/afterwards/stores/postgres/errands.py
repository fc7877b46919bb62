"""What is asked of a desk."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar, cast

from afterwards.asking import Asked
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Claim

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Counter(StrEnum):
    """Who serves: each has a connection of its own, so that none waits for another's work."""

    ADD = "add"
    WORK = "work"  # claims, settles, and whatever else workers write
    WATCH = "watch"  # listens, renews, and looks whether there is work: short statements only
    LOOK = "look"  # for people: it may take its time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verb(Generic[Request, Answer]):
    """Something the store does: `write` takes the requests of many callers and brings an answer for each.

    `doing` is for messages: "adding tasks". `at_once`: one statement does it for all of the requests; `simple`: one
    does it for a single request. `alone` writes a request that was refused, when that can be saved in part. `weight` is
    about how many characters a request sends. `by_itself`: never in a transaction that does more.

    When the answer of the server is lost, the request is sent `again`, and `merge` puts together what both times
    answered. `claims` are those that a request, with its answer if there is one, may have made; should nobody hear of
    them, they are given back, but for a verb that `resumes` only when it is not sent again.
    """

    doing: str
    counter: Counter
    write: Callable[[Transaction, Sequence[Request]], Awaitable[Sequence[Answer]]]
    at_once: bool = False
    simple: bool = False
    by_itself: bool = False
    weight: Callable[[Request], int] = field(default=lambda _: 0)
    alone: Callable[[Transaction, Request], Awaitable[Answer]] | None = None
    again: bool = True
    merge: Callable[[Answer, Answer], Answer] | None = None
    claims: Callable[[Request, Answer | None], list[Claim]] | None = None
    resumes: bool = False


def each(
    write: Callable[[Transaction, Request], Awaitable[Answer]],
) -> Callable[[Transaction, Sequence[Request]], Awaitable[Sequence[Answer]]]:
    """A verb that has nothing to gain from seeing its requests together."""

    async def write_each(transaction: Transaction, requests: Sequence[Request]) -> Sequence[Answer]:
        return [await write(transaction, request) for request in requests]

    return write_each


@dataclass(slots=True, kw_only=True, eq=False)
class Errand(Asked):
    """One request on its way to a desk and back.

    `deadline` is on the monotonic clock. `careful`: it was refused once, and is now written with care. `obstacle`: the
    lock that it met, so that it shall not hold up others. `in_doubt`: it may have been done, and `before` is what would
    have been answered. `give_back` undoes claims that nobody hears of.
    """

    verb: Verb[object, object]
    request: object
    deadline: float
    give_back: Callable[[list[Claim]], None]
    careful: bool = False
    obstacle: Exception | None = None
    in_doubt: bool = False
    before: object = None

    @property
    def apart(self) -> bool:
        """It is written by itself, after or before all others."""
        return self.obstacle is not None or self.verb.by_itself

    def is_overdue(self) -> bool:
        """Its caller will not wait for another try."""
        return self.deadline <= time.monotonic()

    def lose(self) -> None:
        """The connection broke while it was being written, so that it may or may not have been."""
        if not self.verb.resumes:
            self.give_back_claims(self.answer)
        self.in_doubt, self.before, self.answer = True, self.answer, None

    def be_answered(self, answer: object) -> None:
        """Note what became of it."""
        merged = self.before is not None and self.verb.merge is not None
        self.answer = self.verb.merge(self.before, answer) if merged and self.verb.merge is not None else answer

    def miss(self) -> None:
        """Nobody hears the answer: what it handed out would never be run."""
        if self.error is None and self.answer is not None:
            self.give_back_claims(self.answer)
        elif self.in_doubt:
            self.give_back_claims(None)

    def give_back_claims(self, answer: object) -> None:
        """Those of the answer, or all that there may be."""
        claims = self.verb.claims(self.request, answer) if self.verb.claims is not None else []
        if claims:
            self.give_back(claims)


def plain(verb: Verb[Request, Answer]) -> Verb[object, object]:
    """The verb as desks carry it, who do not look into requests."""
    return cast("Verb[object, object]", verb)
