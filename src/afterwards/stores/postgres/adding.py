"""Stores calls: those of all requests that came meanwhile in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from afterwards.stores.postgres import rows
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Added, Call, Claim, TaskId, WorkerId, first_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What one caller adds; `claimed_by` wants what it may have of it at once."""

    calls: tuple[Call, ...]
    claimed_by: WorkerId | None = None


async def add(transaction: Transaction, additions: Sequence[Addition]) -> list[list[Added]]:
    """Store all of them; an answer for each."""
    claimers = [addition.claimed_by for addition in additions for _ in addition.calls]
    calls = [call for addition in additions for call in addition.calls]
    if not calls:
        return [[] for _ in additions]
    added = await transaction.rows(
        "add_calls",
        **rows.call_columns(calls),
        claimed_by=claimers,
        claimers=list({claimer for claimer in claimers if claimer is not None}),
        formers=list({former for call in calls if (former := rows.former_of(call)) is not None}),
    )
    fresh = {id: at for id, claimed, at in cast("list[tuple[UUID, bool, datetime]]", added) if claimed}
    transaction.rings |= len(added) > len(fresh)
    if transaction.sent_again:
        fresh |= await _claimed_before(transaction, calls, claimers)
    ordered = iter([_answer(call, claimer, fresh) for call, claimer in zip(calls, claimers, strict=True)])
    return [[next(ordered) for _ in addition.calls] for addition in additions]


def weight(addition: Addition) -> int:
    """About how many characters it sends."""
    return sum(len(call.arguments) for call in addition.calls)


def claims(addition: Addition, answer: list[Added] | None) -> list[Claim]:
    """The claims of an answer; without one, all that there may be."""
    worker = addition.claimed_by
    if worker is None:
        return []
    if answer is None:
        return [Claim(id=call.id, run=1, worker=worker) for call in addition.calls]
    return [added.claimed.claim for added in answer if added.claimed is not None]


async def _claimed_before(
    transaction: Transaction, calls: Sequence[Call], claimers: Sequence[WorkerId | None]
) -> dict[TaskId, datetime]:
    ids = [call.id for call in calls]
    found = await transaction.rows("claimed_before", ids=ids, claimed_by=list(claimers))
    return dict(cast("list[tuple[UUID, datetime]]", found))


def _answer(call: Call, claimer: WorkerId | None, fresh: dict[TaskId, datetime]) -> Added:
    """What was claimed is handed out once, by the write that stored it."""
    now = None if claimer is None else fresh.pop(call.id, None)
    if now is None or claimer is None:
        return Added(id=call.id)
    return Added(id=call.id, claimed=first_run(call, now=now, worker=claimer))
