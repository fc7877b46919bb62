"""Gives tasks to a worker: those that are let through by their quotas, and the others are held at their gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from afterwards.gates import AT_LEAST_LOOKED_AT, MOST_LOOKED_AT, Candidate, gates_of
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.gates import open_due_gates, pass_gates
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Task, WorkerId

FoundRow = tuple[int, str, str, str, int, int]  # sequence, name, queue, key; whether those two have a quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker would take."""

    worker: WorkerId
    limit: int
    suspects: bool
    unknown: tuple[str, ...]


def claim(transaction: Transaction, wish: Wish) -> list[Task]:
    """The best of what is claimable for it. While some are held it looks on, but not without an end."""
    claimed: list[Task] = []
    looked_at, at_once, asks = 0, max(wish.limit, 0), True
    while len(claimed) < wish.limit and looked_at < MOST_LOOKED_AT:
        room = wish.limit - len(claimed)
        candidates = _candidates(transaction, wish, max(room, at_once), asks=asks)
        if candidates is None:
            open_due_gates(transaction, wish.worker, wish.unknown, most=wish.limit)
            asks = False
            continue
        passage = pass_gates(transaction, candidates, room=room)
        limited = [candidate.id for candidate in passage.passing if candidate.gates]
        claimed += take(transaction, [candidate.id for candidate in passage.passing], wish.worker, limited=limited)
        if not passage.held:
            break
        looked_at, at_once = looked_at + len(candidates), AT_LEAST_LOOKED_AT
    return claimed


def take(
    transaction: Transaction, sequences: Sequence[int], worker: WorkerId, *, limited: Sequence[int] = ()
) -> list[Task]:
    """Make them running under this worker; the caller has found them claimable in the same transaction."""
    if not sequences:
        return []
    chosen = as_list(sequences)
    transaction.execute("claim_tasks", sequences=chosen, worker=worker, limited=as_list(limited))
    return rows.tasks(transaction.rows("read_tasks", sequences=chosen))


def _candidates(transaction: Transaction, wish: Wish, limit: int, *, asks: bool) -> list[Candidate[int]] | None:
    """The best `limit`, by rank; None if it `asks` for gates that are to open, and there are some."""
    found = transaction.rows_or_nothing(
        "find_claimable",
        worker=wish.worker,
        limit=limit,
        suspects=wish.suspects,
        unknown=as_list(wish.unknown),
        asks=asks,
    )
    if found is None:
        return None
    return [
        Candidate(id=sequence, gates=gates_of(name, queue, key, of_function=bool(by_function), of_queue=bool(by_queue)))
        for sequence, name, queue, key, by_function, by_queue in cast("list[FoundRow]", found)
    ]
