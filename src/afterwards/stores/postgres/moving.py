"""Tasks on their way from one store to another: handed over, received, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.keys import KeyOf
from afterwards.stores.postgres import chains, keys, rows
from afterwards.stores.postgres.followers import free_followers, free_line
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Task, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How many of the waiting tasks, and after which."""

    limit: int
    after: TaskId | None


async def hand_over(transaction: Transaction, part: Part) -> list[Task]:
    """Waiting tasks, the oldest first."""
    tasks = rows.whole_tasks(await transaction.rows("hand_over", limit=max(part.limit, 0), after=part.after))
    twins = await keys.twins_of(transaction, tasks)
    return [replace(task, twins=tuple(twins[task.id])) if task.id in twins else task for task in tasks]


async def receive(transaction: Transaction, tasks: Sequence[Task]) -> list[TaskId]:
    """Store them; those that were new."""
    needs = await chains.lock_needs(transaction, tasks)
    tasks = stored.steps_placed(tasks, needs.keys())
    formers = [task.after for task in tasks if task.after is not None]
    stored_formers = await transaction.rows("formers", ids=formers) if formers else []
    holds = stored.holds_of(tasks, dict(cast("list[tuple[UUID, bool]]", stored_formers)))
    received = set(rows.ids(await transaction.rows("receive_tasks", **rows.received_columns(tasks, holds))))
    await _receive_keys(transaction, [task for task in tasks if task.id in received and task.key is not None])
    await free_followers(transaction, [id for id, state in needs.items() if state.ended])
    transaction.rings |= bool(received)
    return [id for id in dict.fromkeys(task.id for task in tasks) if id in received]


async def _receive_keys(transaction: Transaction, tasks: Sequence[Task]) -> None:
    """They take their keys, where nobody holds them, and keep their names."""
    found = {KeyOf(task.name, task.key): task.id for task in reversed(tasks) if task.key is not None}
    if found:
        wanted = dict(sorted(found.items()))
        await keys.lock(transaction, wanted)
        held = await keys.holders_of(transaction, [*wanted])
        await keys.take(transaction, {key: id for key, id in wanted.items() if key not in held or held[key].task == id})
        await keys.name(transaction, {twin: task.id for task in tasks for twin in task.twins})


async def forget(transaction: Transaction, ids: Sequence[TaskId]) -> list[TaskId]:
    """Delete those that wait, and free who was held after them in a line."""
    waiting = set(rows.ids(await transaction.rows("lock_waiting", ids=list(ids))))
    await transaction.execute("forget_tasks", ids=list(waiting))
    if waiting:
        await free_line(transaction, waiting)
    return [id for id in dict.fromkeys(ids) if id in waiting]
