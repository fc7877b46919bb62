"""Returns what dead workers left running, and forgets them. What follows for each task is decided in crashes.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, cast

from afterwards import stored
from afterwards.crashes import after_crash
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.tasks import Task, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Whose tasks to return, and how many at most. `found` is kept for a talk that is begun anew."""

    known_dead: tuple[WorkerId, ...]
    expired: bool
    limit: int
    found: set[Dropped] = field(default_factory=set["Dropped"])


class Dropped(NamedTuple):
    """A task that a dead worker left running, as dropped.lua tells it."""

    id: bytes
    run: bytes
    worker: bytes
    crashes: bytes
    crashes_allowed: bytes
    stop_asked: bytes
    was_leaving: int


def rescue(search: Search) -> Talk[list[Task]]:
    """Return up to `limit` tasks of the dead, as they are then. Others may do the same: each task is returned once."""
    found = yield Ask("dropped", [int(search.expired), max(search.limit - len(search.found), 0), *search.known_dead])
    search.found.update(
        Dropped(*one) for one in cast("list[tuple[bytes, bytes, bytes, bytes, bytes, bytes, int]]", found)
    )
    if not search.found:
        return []
    changes = [argument for task in sorted(search.found) for argument in _change(task)]
    return rows.whole_tasks((yield Ask("rescue", changes)))


def _change(task: Dropped) -> tuple[Argument, ...]:
    then = after_crash(
        crashes=int(task.crashes),
        allowed=int(task.crashes_allowed),
        stop_asked=task.stop_asked == b"1",
        was_leaving=bool(task.was_leaving),
    )
    return (
        task.id.decode(),
        task.run.decode(),
        task.worker.decode(),
        rows.NUMBERS[then.state],
        "" if then.wait is None else stored.microseconds(then.wait),
        then.crashes,
        int(then.suspect),
        "" if then.error is None else stored.failure_text(then.error),
    )
