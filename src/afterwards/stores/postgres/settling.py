"""Writes how runs ended: all outcomes of one batch together, each fenced by its claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

from afterwards import links, stored
from afterwards.outcomes import Outcome
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.adding import Addition, add
from afterwards.stores.postgres.followers import move_on
from afterwards.stores.postgres.transaction import Transaction
from afterwards.stores.postgres.trouble import Trouble, trouble
from afterwards.tasks import Claim, Settled, Task, TaskId, WorkerId

# The place of an outcome from 1; the sequence of its task, whether it was asked to stop, and its link.
Holding = tuple[int, int, bool, str | None]
Followers = defaultdict[TaskId | None, list[Task]]  # by the task that they waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one settler brings; `claimed_by` wants what it frees."""

    outcomes: tuple[Outcome, ...]
    claimed_by: WorkerId | None = None


async def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> list[Settled]:
    """Settle all of them; an answer for each."""
    outcomes = [outcome for settlement in settlements for outcome in settlement.outcomes]
    settlers = [settlement.claimed_by for settlement in settlements for _ in settlement.outcomes]
    held, needed = await _held(transaction, outcomes)
    await _check(held)
    followers = await _write(transaction, held, settlers)
    await _move_chains(transaction, {held[place][1].claim.id: settlers[place] for place in needed}, followers)
    await _add_calls(transaction, [outcome for _, outcome in held.values()])
    places = iter(range(len(outcomes)))
    return [_answer(settlement, [held[p] for _ in settlement.outcomes if (p := next(places)) in held], followers)
            for settlement in settlements]  # fmt: skip


async def settle_apart(transaction: Transaction, settlement: Settlement) -> Settled:
    """One outcome after another, because something in them was refused; a bad one without what it carries."""
    parts = [await _settle_one(transaction, outcome, settlement.claimed_by) for outcome in settlement.outcomes]
    return Settled(
        held=[claim for part in parts for claim in part.held], claimed=[task for part in parts for task in part.claimed]
    )


def weight(settlement: Settlement) -> int:
    """About how many characters it sends."""
    results = sum(len(outcome.result or "") for outcome in settlement.outcomes)
    return results + sum(len(call.arguments) for outcome in settlement.outcomes for call in outcome.calls)


def merge(before: Settled, now: Settled) -> Settled:
    """Of two times that the same was sent: what held at first counts; followers claimed then were given back."""
    return Settled(held=[*before.held, *(claim for claim in now.held if claim not in before.held)], claimed=now.claimed)


def claims(_: Settlement, answer: Settled | None) -> list[Claim]:
    """The claims of an answer."""
    return [] if answer is None else [task.claim for task in answer.claimed]


async def _held(
    transaction: Transaction, outcomes: Sequence[Outcome]
) -> tuple[dict[int, tuple[int, Outcome]], list[int]]:
    """Those whose claim holds, by place, each with the sequence of its task. Of two for one claim the first counts.

    And the places of those that have ended a task which others need.
    """
    claimed = [outcome.claim for outcome in outcomes]
    found = await transaction.rows(
        "held_claims",
        ids=[claim.id for claim in claimed],
        runs=[claim.run for claim in claimed],
        workers=[claim.worker for claim in claimed],
    )
    held: dict[int, tuple[int, Outcome]] = {}
    needed: list[int] = []
    seen: set[int] = set()
    for place, sequence, stop_asked, link in cast("list[Holding]", found):
        if sequence not in seen:
            seen.add(sequence)
            outcome = stored.final(outcomes[place - 1], stop_asked)
            held[place - 1] = sequence, outcome
            if link is not None and stored.fate_of(outcome).has_ended and _is_followed(link):
                needed.append(place - 1)
    return held, needed


def _is_followed(text: str) -> bool:
    link = links.link(text)
    return link is not None and link.followed


async def _check(held: dict[int, tuple[int, Outcome]]) -> None:
    for call in chain.from_iterable(outcome.calls for _, outcome in held.values()):
        stored.check_call(call)


async def _write(
    transaction: Transaction, held: dict[int, tuple[int, Outcome]], settlers: Sequence[WorkerId | None]
) -> Followers:
    """Who was freed by it, claimed or not."""
    followers: Followers = defaultdict(list)
    if not held:
        return followers
    freed = rows.tasks(
        await transaction.rows(
            "settle_outcomes",
            **rows.outcome_columns(list(held.values())),
            claimed_by=[settlers[place] for place in held],
            claimers=list({settler for settler in settlers if settler is not None}),
        )
    )
    transaction.rings |= any(stored.fate_of(outcome).waits for _, outcome in held.values())
    transaction.rings |= any(task.worker is None for task in freed)
    for task in freed:
        followers[task.after].append(task)
    return followers


async def _move_chains(transaction: Transaction, ended: dict[TaskId, WorkerId | None], followers: Followers) -> None:
    """Move on the steps that wait for these, each ended by a settler; who may start now is a follower of one."""
    if ended:
        for id, task in await move_on(transaction, ended.keys(), claimed_by=ended):
            followers[id].append(task)


async def _add_calls(transaction: Transaction, outcomes: Sequence[Outcome]) -> None:
    calls = tuple(chain.from_iterable(outcome.calls for outcome in outcomes))
    if calls:
        await add(transaction, [Addition(calls=calls)])


def _answer(settlement: Settlement, holding: Sequence[tuple[int, Outcome]], followers: Followers) -> Settled:
    claimed = [outcome.claim for _, outcome in holding]
    freed = chain.from_iterable(followers[claim.id] for claim in claimed)
    mine = [task for task in freed if task.worker is not None] if settlement.claimed_by is not None else []
    return Settled(held=claimed, claimed=mine)


async def _settle_one(transaction: Transaction, outcome: Outcome, claimed_by: WorkerId | None) -> Settled:
    """As it is, or bare; if even that is refused it counts as not held, since the others must go on."""
    try:
        return await _settle_part(transaction, outcome, claimed_by)
    except Exception as error:
        _pass_on_unless_refused(error)
        bare = stored.bare(outcome, error)
    try:
        return await _settle_part(transaction, bare, claimed_by)
    except Exception as error:
        _pass_on_unless_refused(error)
        return Settled(held=[], claimed=[])


async def _settle_part(transaction: Transaction, outcome: Outcome, claimed_by: WorkerId | None) -> Settled:
    async with transaction.part():
        [settled] = await settle(transaction, [Settlement(outcomes=(outcome,), claimed_by=claimed_by)])
    return settled


def _pass_on_unless_refused(error: Exception) -> None:
    if trouble(error) is not Trouble.REFUSED:
        raise error
