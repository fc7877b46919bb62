"""Frees the tasks that were held after others, when the turn of those is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from afterwards.stores.sqlite.claiming import take
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Task, WorkerId


def free_followers(transaction: Transaction, ids: Sequence[str], *, claimed_by: WorkerId | None = None) -> list[Task]:
    """Free who waits for these, whose turn is over. What `claimed_by` may have of them is claimed for it at once."""
    if not ids:
        return []
    found = transaction.ask("find_followers", lambda: {"ids": as_list(ids), "worker": claimed_by})
    over = set(ids)  # more may have been asked for than turned out to be over
    followers = [row for row in cast("list[tuple[int, int, str]]", found) if row[2] in over]
    claimable = [sequence for sequence, is_claimable, _ in followers if is_claimable]
    freed = [sequence for sequence, is_claimable, _ in followers if not is_claimable]
    if freed:
        transaction.execute("free_tasks", sequences=as_list(freed))
        transaction.rings = True
    return take(transaction, claimable, claimed_by) if claimed_by is not None else []
