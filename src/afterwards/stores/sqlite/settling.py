"""Writes how runs ended: all outcomes of one batch in one statement, each fenced by its claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import cast

from afterwards.outcomes import Ending, Outcome
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.adding import Addition, add
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.stores.sqlite.trouble import Trouble, trouble
from afterwards.tasks import Failure, Settled, WorkerId

Holding = tuple[int, int, int]  # the place of an outcome, the sequence of its task, whether it was asked to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one settler brings; `claimed_by` wants what it frees."""

    outcomes: tuple[Outcome, ...]
    claimed_by: WorkerId | None = None


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> list[Settled]:
    """Settle all of them; an answer for each."""
    held = _write(transaction, [outcome for settlement in settlements for outcome in settlement.outcomes])
    place = count()
    return [
        _finish(transaction, settlement, [outcome for outcome in settlement.outcomes if next(place) in held])
        for settlement in settlements
    ]


def settle_apart(transaction: Transaction, settlement: Settlement) -> Settled:
    """One outcome after another, because SQLite refused something in them; a bad one without what it carries."""
    parts = [_settle_one(transaction, outcome, settlement.claimed_by) for outcome in settlement.outcomes]
    return Settled(
        held=[claim for part in parts for claim in part.held], claimed=[task for part in parts for task in part.claimed]
    )


def _write(transaction: Transaction, outcomes: Sequence[Outcome]) -> set[int]:
    """Write those whose claim holds; which these were, by place. Of two for one claim the first counts."""
    claims = as_list([rows.claim_row(outcome.claim) for outcome in outcomes])
    holding: dict[int, int] = {}
    written: list[rows.Row] = []
    for place, sequence, stop_asked in cast("list[Holding]", transaction.rows("held_claims", claims=claims)):
        if sequence not in holding:
            holding[sequence] = place
            final = _final(outcomes[place], stop_asked)
            written.append(rows.outcome_row(sequence, final, transaction.now))
            transaction.rings |= rows.fate_of(final).waits
    transaction.spread("settle_outcomes", written)
    return set(holding.values())


def _final(outcome: Outcome, stop_asked: int) -> Outcome:
    """A run that somebody asked to stop does not wait for another try; a result must come back as it was."""
    if stop_asked and rows.fate_of(outcome).waits:
        outcome = replace(outcome, ending=Ending.CANCELLED)
    if outcome.result is not None and not rows.is_storable(outcome.result):
        outcome = replace(outcome, result=None, error=_reason("result", "it holds a NUL or half of a surrogate pair"))
    return outcome


def _finish(transaction: Transaction, settlement: Settlement, holding: Sequence[Outcome]) -> Settled:
    """Store the calls that the outcomes brought and free who waited for them."""
    calls = tuple(call for outcome in holding for call in outcome.calls)
    if calls:
        for call in calls:
            rows.check_call(call)
        add(transaction, [Addition(calls=calls)])
    ids = [str(outcome.claim.id) for outcome in holding]
    claimed = free_followers(transaction, ids, claimed_by=settlement.claimed_by)
    return Settled(held=[outcome.claim for outcome in holding], claimed=claimed)


def _settle_one(transaction: Transaction, outcome: Outcome, claimed_by: WorkerId | None) -> Settled:
    """As it is, or bare; if even that is refused it counts as not held, since the others must go on."""
    try:
        return _settle_part(transaction, outcome, claimed_by)
    except Exception as error:
        _pass_on_unless_refused(error)
        bare = _bare(outcome, error)
    try:
        return _settle_part(transaction, bare, claimed_by)
    except Exception as error:
        _pass_on_unless_refused(error)
        return Settled(held=[], claimed=[])


def _settle_part(transaction: Transaction, outcome: Outcome, claimed_by: WorkerId | None) -> Settled:
    with transaction.part():
        [settled] = settle(transaction, [Settlement(outcomes=(outcome,), claimed_by=claimed_by)])
    return settled


def _pass_on_unless_refused(error: Exception) -> None:
    if trouble(error) is not Trouble.REFUSED:
        raise error


def _bare(outcome: Outcome, error: Exception) -> Outcome:
    """The outcome without its texts, and the reason instead. Calls that cannot be stored make it a failure."""
    what = "calls it added" if outcome.calls else "error" if outcome.error else "result"
    ending = Ending.FAILED if outcome.calls else outcome.ending
    return replace(outcome, ending=ending, error=_reason(what, str(error)), result=None, calls=())


def _reason(what: str, why: str) -> Failure:
    return Failure(kind="afterwards.errors.CannotStore", message=f"the {what} could not be stored: {why}")
