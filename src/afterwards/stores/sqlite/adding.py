"""Stores calls: those of all requests that came meanwhile in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Added, Call, Task, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What one caller adds; `claimed_by` wants what it may have of it at once."""

    calls: tuple[Call, ...]
    claimed_by: WorkerId | None = None


def add(transaction: Transaction, additions: Sequence[Addition]) -> list[list[Added]]:
    """Store all of them; an answer for each."""
    claimed = _store(transaction, additions)
    return [_answer(addition, claimed, transaction.now) for addition in additions]


def _store(transaction: Transaction, additions: Sequence[Addition]) -> set[str]:
    """Write the rows; the ids of what was claimed in the same write."""
    stored = transaction.insert("add_calls", calls=as_list(_call_rows(additions, transaction.now)))
    claimed: list[str] = []
    if stored and any(addition.claimed_by for addition in additions):
        claimed = transaction.strings("claimed_among", first=stored[0], last=stored[-1])
    transaction.rings |= len(stored) > len(claimed)
    return set(claimed)


def _call_rows(additions: Sequence[Addition], now: int) -> list[list[object]]:
    incoming = {call.id for addition in additions for call in addition.calls}
    return [
        rows.call_row(call, now, is_after_incoming=call.after in incoming, claimer=addition.claimed_by)
        for addition in additions
        for call in addition.calls
    ]


def _answer(addition: Addition, claimed: set[str], now: int) -> list[Added]:
    worker = addition.claimed_by
    if worker is None:
        return [Added(id=call.id) for call in addition.calls]
    return [Added(id=call.id, claimed=_claimed(call, claimed, now, worker)) for call in addition.calls]


def _claimed(call: Call, claimed: set[str], now: int, worker: WorkerId) -> Task | None:
    """The task of a call that was just stored and claimed; each is handed out once."""
    id = str(call.id)
    if id not in claimed:
        return None
    claimed.remove(id)
    return rows.task_of(call, now, worker)
