"""Writes how runs ended, each fenced by its claim; one that brings what cannot be stored is settled without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from afterwards import stored
from afterwards.errors import CannotStore
from afterwards.outcomes import Outcome
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.stores.redis.lost import Lost
from afterwards.tasks import Settled, WorkerId

_HELD = ord("1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one settler brings; `claimed_by` wants what it frees."""

    outcomes: tuple[Outcome, ...]
    claimed_by: WorkerId | None = None


def settle(settlement: Settlement) -> Talk[Settled]:
    """Settle all of them."""
    if not settlement.outcomes:
        return Settled(held=[], claimed=[])
    outcomes = [_storable(outcome) for outcome in settlement.outcomes]
    arguments: list[Argument] = [settlement.claimed_by or "", len(outcomes)]
    for outcome in outcomes:
        arguments.extend(rows.outcome_arguments(outcome))
        for call in outcome.calls:
            arguments.extend(rows.call_arguments(call, None))
    held, claimed = cast("tuple[bytes, object]", (yield Ask("settle", arguments)))
    return Settled(
        held=[outcome.claim for outcome, flag in zip(outcomes, held, strict=True) if flag == _HELD],
        claimed=rows.tasks(claimed),
    )


def lose(lost: Lost, settlement: Settlement, token: str) -> None:
    """It may have been settled; whoever settles the same again is told what the first time brought."""
    lost.settlement([outcome.claim for outcome in settlement.outcomes], token)


def recall(lost: Lost, settlement: Settlement) -> str | None:
    """The token under which the very same was settled without an answer."""
    return lost.token_for([outcome.claim for outcome in settlement.outcomes])


def _storable(outcome: Outcome) -> Outcome:
    """As it is, or without what cannot be stored, and the reason."""
    try:
        for call in outcome.calls:
            stored.check_call(call)
    except CannotStore as error:
        outcome = stored.bare(outcome, error)
    return stored.final(outcome, 0)  # whether it was asked to stop, the script sees
