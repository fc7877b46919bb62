"""Tasks on their way from one store to another: handed over, received, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.keys import KeyOf
from afterwards.stores.sqlite import chains, keys, rows
from afterwards.stores.sqlite.followers import free_followers, free_line
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Task, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How many of the waiting tasks, and after which."""

    limit: int
    after: TaskId | None


def hand_over(transaction: Transaction, part: Part) -> list[Task]:
    """Waiting tasks, the oldest first."""
    after = None if part.after is None else str(part.after)
    tasks = rows.whole_tasks(transaction.rows("hand_over", limit=max(part.limit, 0), after=after))
    twins = keys.twins_of(transaction, tasks)
    return [replace(task, twins=twins[task.id]) if task.id in twins else task for task in tasks] if twins else tasks


def receive(transaction: Transaction, tasks: Sequence[Task]) -> list[TaskId]:
    """Store them; those that were new."""
    needs = chains.states_of_needs(transaction, tasks)
    tasks = stored.steps_placed(tasks, needs.keys())
    holds = stored.holds_of(tasks, _turns_over(transaction, tasks))
    received = [rows.received_row(task, hold) for task, hold in zip(tasks, holds, strict=True)]
    added = transaction.spread("receive_tasks", received)
    if not added:
        return []
    transaction.rings = True
    fresh = [UUID(id) for id in transaction.strings("added_among", first=added.start, last=added.stop - 1)]
    _receive_keys(transaction, [task for task in tasks if task.id in set(fresh)])
    free_followers(transaction, [str(id) for id, state in needs.items() if state.ended])
    return fresh


def forget(transaction: Transaction, ids: Sequence[TaskId]) -> list[TaskId]:
    """Delete those that wait, and free who was held after them in a line."""
    waiting = set(transaction.strings("waiting_among", ids=as_list([str(id) for id in ids])))
    keys.let_go(transaction, [*waiting])
    transaction.execute("forget_tasks", ids=as_list(waiting))
    free_line(transaction, [*waiting])
    return [id for id in dict.fromkeys(ids) if str(id) in waiting]


def _receive_keys(transaction: Transaction, tasks: Sequence[Task]) -> None:
    """They take their keys, where nobody holds them, and keep their names."""
    wanted = {KeyOf(task.name, task.key): task.id for task in reversed(tasks) if task.key is not None}
    held = keys.holders_of(transaction, [*wanted])
    keys.take(transaction, {key: id for key, id in wanted.items() if key not in held})
    keys.name(transaction, {twin: task.id for task in tasks for twin in task.twins})


def _turns_over(transaction: Transaction, tasks: Sequence[Task]) -> dict[TaskId, bool]:
    """Of the tasks before these, those that are stored here, and whether their turn is over."""
    formers = [str(task.after) for task in tasks if task.after is not None]
    found = cast("list[tuple[str, int]]", transaction.rows("formers", ids=as_list(formers))) if formers else []
    return {UUID(id): bool(over) for id, over in found}
