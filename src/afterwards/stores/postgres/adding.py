"""Stores calls: those of all requests that came meanwhile in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from afterwards.first_run import first_run
from afterwards.keys import Asked
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.keys import sorted_out
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Added, Call, Claim, TaskId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What one caller adds; `claimed_by` wants what it may have of it at once."""

    calls: tuple[Call, ...]
    claimed_by: WorkerId | None = None


async def add(transaction: Transaction, additions: Sequence[Addition]) -> list[list[Added]]:
    """Store all of them; an answer for each."""
    asked = [Asked(call, addition.claimed_by) for addition in additions for call in addition.calls]
    if any(has_key(addition) for addition in additions):
        answers = iter(await _store_by_key(transaction, asked))
    else:
        answers = iter(await _store(transaction, asked))
    return [[next(answers) for _ in addition.calls] for addition in additions]


def has_key(addition: Addition) -> bool:
    """One of its calls comes under a key, so that it takes several statements."""
    return any(call.key is not None for call in addition.calls)


async def _store_by_key(transaction: Transaction, asked: Sequence[Asked]) -> list[Added]:
    answers: list[Added] = []
    while asked:
        result = await sorted_out(transaction, asked)
        fresh = iter(await _store(transaction, result.fresh))
        some = [result.twins.get(one.call.id) for one in asked[: result.count]]
        answers += [next(fresh) if twin is None else Added(id=twin) for twin in some]
        asked = asked[result.count :]
    return answers


async def _store(transaction: Transaction, asked: Sequence[Asked]) -> list[Added]:
    if not asked:
        return []
    calls, claimers = [one.call for one in asked], [one.claimed_by for one in asked]
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
    return [_answer(call, claimer, fresh) for call, claimer in asked]


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
