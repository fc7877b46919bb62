"""Gives tasks to a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Task, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker would take."""

    worker: WorkerId
    limit: int
    suspects: bool
    unknown: tuple[str, ...]


def claim(transaction: Transaction, wish: Wish) -> list[Task]:
    """The best of what is claimable for it."""
    sequences = transaction.numbers(
        "find_claimable",
        worker=wish.worker,
        limit=max(wish.limit, 0),
        suspects=wish.suspects,
        unknown=as_list(wish.unknown),
    )
    return take(transaction, sequences, wish.worker)


def take(transaction: Transaction, sequences: Sequence[int], worker: WorkerId) -> list[Task]:
    """Make them running under this worker; the caller has found them claimable in the same transaction."""
    if not sequences:
        return []
    chosen = as_list(sequences)
    transaction.execute("claim_tasks", sequences=chosen, worker=worker)
    return rows.tasks(transaction.rows("read_tasks", sequences=chosen))
