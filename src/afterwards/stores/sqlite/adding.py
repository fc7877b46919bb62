"""Stores calls: those of all requests that came meanwhile in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Added, Call, Task, TaskId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What one caller adds; `claimed_by` wants what it may have of it at once."""

    calls: tuple[Call, ...]
    claimed_by: WorkerId | None = None


def add(transaction: Transaction, additions: Sequence[Addition]) -> list[list[Added]]:
    """Store all of them; an answer for each."""
    claimed = _store(transaction, additions)
    return [[Added(id=call.id, claimed=claimed.get(call.id)) for call in addition.calls] for addition in additions]


def _store(transaction: Transaction, additions: Sequence[Addition]) -> dict[TaskId, Task]:
    """Write the rows; what was claimed in the same write."""
    calls = as_list(_call_rows(additions, transaction.now))
    if not any(addition.claimed_by for addition in additions):
        transaction.rings |= transaction.execute("add_calls", calls=calls) > 0
        return {}
    before = transaction.number("last_sequence")
    stored = transaction.execute("add_calls", calls=calls)
    claimed = rows.tasks(transaction.rows("claimed_since", sequence=before))
    transaction.rings |= stored > len(claimed)
    return {task.id: task for task in claimed}


def _call_rows(additions: Sequence[Addition], now: int) -> list[list[object]]:
    incoming = {call.id for addition in additions for call in addition.calls}
    return [
        rows.call_row(call, now, is_after_incoming=call.after in incoming, claimer=addition.claimed_by)
        for addition in additions
        for call in addition.calls
    ]
