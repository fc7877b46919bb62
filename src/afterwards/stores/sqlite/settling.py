"""Writes how runs ended: all outcomes of one batch in one statement, each fenced by its claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import cast

from afterwards import stored
from afterwards.outcomes import Outcome
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.adding import Addition, add
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Questions, Transaction, as_list
from afterwards.stores.sqlite.trouble import Trouble, trouble
from afterwards.tasks import Settled, WorkerId

Holding = tuple[int, int, int]  # the place of an outcome, the sequence of its task, whether it was asked to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one settler brings; `claimed_by` wants what it frees."""

    outcomes: tuple[Outcome, ...]
    claimed_by: WorkerId | None = None


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> list[Settled]:
    """Settle all of them; an answer for each."""
    held = _write(transaction, _all(settlements))
    place = count()
    return [
        _finish(transaction, settlement, [held[here] for _ in settlement.outcomes if (here := next(place)) in held])
        for settlement in settlements
    ]


def questions(settlements: Sequence[Settlement]) -> Questions:
    """Which claims hold, and who waits for these tasks."""
    asked: Questions = {"held_claims": {"claims": _claims(_all(settlements))}}
    if len(settlements) == 1:  # else the followers are asked for apart, each for its own settler
        [settlement] = settlements
        ids = as_list([str(outcome.claim.id) for outcome in settlement.outcomes])
        asked["find_followers"] = {"ids": ids, "worker": settlement.claimed_by}
    return asked


def settle_apart(transaction: Transaction, settlement: Settlement) -> Settled:
    """One outcome after another, because SQLite refused something in them; a bad one without what it carries."""
    parts = [_settle_one(transaction, outcome, settlement.claimed_by) for outcome in settlement.outcomes]
    return Settled(
        held=[claim for part in parts for claim in part.held], claimed=[task for part in parts for task in part.claimed]
    )


def _write(transaction: Transaction, outcomes: Sequence[Outcome]) -> dict[int, Outcome]:
    """Write those whose claim holds; what was written, by place. Of two for one claim the first counts."""
    found = transaction.ask("held_claims", lambda: {"claims": _claims(outcomes)})
    holding: set[int] = set()
    final: dict[int, Outcome] = {}
    written: list[rows.Row] = []
    for place, sequence, stop_asked in cast("list[Holding]", found):
        if sequence not in holding:
            holding.add(sequence)
            final[place] = outcome = stored.final(outcomes[place], stop_asked)
            written.append(rows.outcome_row(sequence, outcome, transaction.now))
            transaction.rings |= stored.fate_of(outcome).waits
    transaction.spread("settle_outcomes", written)
    return final


def _all(settlements: Sequence[Settlement]) -> list[Outcome]:
    return [outcome for settlement in settlements for outcome in settlement.outcomes]


def _claims(outcomes: Sequence[Outcome]) -> str:
    return as_list([rows.claim_row(outcome.claim) for outcome in outcomes])


def _finish(transaction: Transaction, settlement: Settlement, holding: Sequence[Outcome]) -> Settled:
    """Store the calls that the outcomes brought and free who waited for them."""
    calls = tuple(call for outcome in holding for call in outcome.calls)
    if calls:
        for call in calls:
            stored.check_call(call)
        add(transaction, [Addition(calls=calls)])
    ids = [str(outcome.claim.id) for outcome in holding if stored.fate_of(outcome).frees]
    claimed = free_followers(transaction, ids, claimed_by=settlement.claimed_by)
    return Settled(held=[outcome.claim for outcome in holding], claimed=claimed)


def _settle_one(transaction: Transaction, outcome: Outcome, claimed_by: WorkerId | None) -> Settled:
    """As it is, or bare; if even that is refused it counts as not held, since the others must go on."""
    try:
        return _settle_part(transaction, outcome, claimed_by)
    except Exception as error:
        _pass_on_unless_refused(error)
        bare = stored.bare(outcome, error)
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
