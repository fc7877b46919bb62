"""Lets on who waits for tasks whose turn is over, in their lines and in their chains. Those are locked already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from afterwards.stores.postgres import chains
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Task, TaskId, WorkerId


async def free_followers(transaction: Transaction, ids: Collection[TaskId]) -> None:
    """These have ended."""
    if ids and await free_line(transaction, ids):
        await move_on(transaction, ids)


async def free_line(transaction: Transaction, ids: Collection[TaskId]) -> bool:
    """Free who waits in a line for these. Whether steps of chains wait for them too, which stay held."""
    [row] = await transaction.rows("free_followers", ids=list(ids), claimers=[])
    freed, has_steps = cast("tuple[int, bool]", row)
    transaction.rings |= freed > 0
    return has_steps


async def move_on(
    transaction: Transaction, ended: Collection[TaskId], *, claimed_by: Mapping[TaskId, WorkerId | None] | None = None
) -> list[tuple[TaskId, Task]]:
    """Move the steps that wait for these; who may start now, each with the task whose end let it.

    Who waits in a line for a step that never will is freed.
    """
    moved = await chains.move_on(transaction, ended, claimed_by=claimed_by)
    if moved.broken:
        await free_line(transaction, moved.broken)
    return [*moved.free]
