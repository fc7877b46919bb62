"""Stores calls: those of all requests that came meanwhile by one script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.errors import CannotStore
from afterwards.first_run import first_run
from afterwards.links import Link
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Ask, Talk
from afterwards.stores.redis.lost import Lost
from afterwards.tasks import Added, Call, WorkerId

MOST_CALLS = 20_000  # of one write: it is one script, and nobody else is served meanwhile

_CLAIMED = ord("1")
_WEIGHT = 1_000  # bytes: of a call without arguments; more than it has, since it takes the server's time
_NEED = 72  # bytes of a need, which is most often a source too


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What one caller adds; `claimed_by` wants what it may have of it at once."""

    calls: tuple[Call, ...]
    claimed_by: WorkerId | None = None


def add(additions: Sequence[Addition]) -> Talk[list[list[Added]]]:
    """Store all of them; an answer for each."""
    pairs = [(call, addition.claimed_by) for addition in additions for call in addition.calls]
    if not pairs:
        return [[] for _ in additions]
    arguments = [argument for call, claimer in pairs for argument in rows.call_arguments(call, claimer)]
    now, claimed, twins = cast("tuple[bytes, bytes, list[tuple[int, bytes]]]", (yield Ask("add", arguments)))
    flagged = zip(pairs, claimed, strict=True)
    added = [_answer(call, claimer, flag == _CLAIMED, int(now)) for (call, claimer), flag in flagged]
    for number, task in twins:
        added[number - 1] = Added(id=UUID(task.decode()))
    answers = iter(added)
    return [[next(answers) for _ in addition.calls] for addition in additions]


def weight(addition: Addition) -> int:
    """About the bytes that the server is sent."""
    return sum(_WEIGHT + len(call.arguments) + _link_weight(call.link) for call in addition.calls)


def check_count(calls: Sequence[Call]) -> None:
    """Raise CannotStore for more than one script can take."""
    if len(calls) > MOST_CALLS:
        raise CannotStore(
            f"{len(calls)} calls in one write are more than Redis takes at once: add at most {MOST_CALLS} together"
        )


def lose(lost: Lost, addition: Addition, token: str) -> None:
    """Its adder may have claimed something without knowing."""
    if addition.claimed_by is not None:
        lost.claims(addition.claimed_by, token)


def _link_weight(link: Link | None) -> int:
    return 0 if link is None else _WEIGHT + _NEED * len(link.needs)


def _answer(call: Call, claimer: WorkerId | None, is_claimed: bool, now: int) -> Added:
    if not is_claimed or claimer is None:
        return Added(id=call.id)
    return Added(id=call.id, claimed=first_run(call, now=stored.instant(now), worker=claimer))
