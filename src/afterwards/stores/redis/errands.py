"""What is asked of a desk, and what of it is one talk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from afterwards.asking import Asked
from afterwards.stores.redis.lost import Lost

Request = TypeVar("Request")
Answer = TypeVar("Answer")

Argument = str | int

_MOST_TOGETHER, _HEAVIEST_TOGETHER = 1_000, 16 * 1024 * 1024  # callers and bytes in one talk, so that it is short


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of a script."""

    script: str
    arguments: Sequence[Argument] = ()


Talk = Generator[Ask, object, Answer]  # asks, gets the replies, returns the answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verb(Generic[Request, Answer]):
    """Something the store does: `talk` takes the requests of callers and brings an answer for each.

    `doing` is for messages: "adding tasks". With `weight`, which is about the bytes of a request, the requests of many
    callers are one talk. `lose` notes that a request was sent and its answer will not be waited for any more; `recall`
    finds the token of one that is the same again.
    """

    doing: str
    talk: Callable[[Sequence[Request]], Talk[Sequence[Answer]]]
    durable: bool = False
    weight: Callable[[Request], int] | None = None
    lose: Callable[[Lost, Request, str], None] | None = None
    recall: Callable[[Lost, Request], str | None] | None = None


def alone(talk: Callable[[Request], Talk[Answer]]) -> Callable[[Sequence[Request]], Talk[Sequence[Answer]]]:
    """A talk for one caller."""

    def for_one(requests: Sequence[Request]) -> Talk[Sequence[Answer]]:
        [request] = requests
        return [(yield from talk(request))]

    return for_one


def plain(verb: Verb[Request, Answer]) -> Verb[object, object]:
    """The verb as threads carry it, who do not look into requests."""
    return cast("Verb[object, object]", verb)


@dataclass(slots=True, kw_only=True, eq=False)
class Errand(Asked):
    """One request on its way to a thread and back.

    `give_back` gets an answer that nobody waits for any more, and undoes what it handed out.
    """

    verb: Verb[object, object]
    request: object
    give_back: Callable[[object], None] | None = None

    def miss(self) -> None:
        """Nobody hears the answer: what it handed out would never be run."""
        if self.error is None and self.give_back is not None:
            self.give_back(self.answer)


@dataclass(slots=True, kw_only=True, eq=False)
class Group:
    """Errands of one verb that are one talk, again and again until it is answered.

    `token` marks what it writes, so that a talk whose answer was lost (`is_again`) finds what it has done already.
    """

    verb: Verb[object, object]
    errands: list[Errand]
    token: str
    weight: int = 0
    is_again: bool = False
    error: Exception | None = None

    def has_room(self, weight: int) -> bool:
        """For one more errand."""
        return len(self.errands) < _MOST_TOGETHER and self.weight + weight <= _HEAVIEST_TOGETHER

    def answered(self, answers: Sequence[object]) -> None:
        """Here they are, in the order of the errands."""
        for errand, answer in zip(self.errands, answers, strict=True):
            errand.answer = answer

    def refused(self, error: Exception) -> None:
        """The same for all."""
        self.error = error

    def forget_abandoned(self) -> bool:
        """Whether somebody still waits. What was never sent is dropped with its caller; what may be written is kept."""
        if not self.is_again:
            self.errands = [errand for errand in self.errands if not errand.abandoned]
        return any(not errand.abandoned for errand in self.errands)


def grouped(errands: Iterable[Errand], new_token: Callable[[], str]) -> list[Group]:
    """Those that are one talk together; every other for itself."""
    open_groups: dict[Verb[object, object], Group] = {}
    groups: list[Group] = []
    for errand in errands:
        verb = errand.verb
        weight = 0 if verb.weight is None else verb.weight(errand.request)
        group = open_groups.get(verb)
        if group is not None and group.has_room(weight):
            group.errands.append(errand)
            group.weight += weight
            continue
        group = Group(verb=verb, errands=[errand], token=new_token(), weight=weight)
        if verb.weight is not None:
            open_groups[verb] = group
        groups.append(group)
    return groups
