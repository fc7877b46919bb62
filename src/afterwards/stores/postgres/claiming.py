"""Gives tasks to a worker."""

from __future__ import annotations

from dataclasses import dataclass

from afterwards.stores.postgres import rows
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Claim, Task, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker would take."""

    worker: WorkerId
    limit: int
    suspects: bool
    unknown: tuple[str, ...]


async def claim(transaction: Transaction, wish: Wish) -> list[Task]:
    """The best of what is claimable for it."""
    found = await transaction.rows(
        "claim_tasks",
        worker=wish.worker,
        claimers=[wish.worker],
        limit=max(wish.limit, 0),
        suspects=wish.suspects,
        unknown=list(wish.unknown),
    )
    return rows.tasks(found)


def claims(_: Wish, answer: list[Task] | None) -> list[Claim]:
    """The claims of an answer."""
    return [task.claim for task in answer or ()]
