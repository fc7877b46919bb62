"""Tasks on their way from one store to another: handed over, received, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Ask, Talk
from afterwards.tasks import Task, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How many of the waiting tasks, and after which."""

    limit: int
    after: TaskId | None


def hand_over(part: Part) -> Talk[list[Task]]:
    """Waiting tasks, the oldest first."""
    if part.limit <= 0:
        return []
    asked = Ask("hand_over", [part.limit, "" if part.after is None else part.after.hex])
    told, twins = cast("tuple[object, list[list[bytes]]]", (yield asked))
    pairs = zip(rows.whole_tasks(told), twins, strict=True)
    return [replace(task, twins=tuple(rows.ids(its))) if its else task for task, its in pairs]


def receive(tasks: Sequence[Task]) -> Talk[list[TaskId]]:
    """Store them; those that were new."""
    formers = [task.after.hex for task in tasks if task.after is not None]
    told = cast("list[tuple[bytes, bytes]]", (yield Ask("turns", formers)) if formers else [])
    holds = stored.holds_of(tasks, {UUID(id.decode()): over == b"1" for id, over in told})
    arguments = [
        argument for task, hold in zip(tasks, holds, strict=True) for argument in rows.received_arguments(task, hold)
    ]
    return rows.ids((yield Ask("receive", arguments))) if arguments else []


def forget(ids: Sequence[TaskId]) -> Talk[list[TaskId]]:
    """Delete those that wait, and free who was held after them."""
    return rows.ids((yield Ask("forget", [id.hex for id in ids])))
