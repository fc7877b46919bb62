"""What people do to tasks and queues: retry, cancel, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards import stored
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Ask, Talk
from afterwards.tasks import TaskId

Ids = tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pausing:
    """What is to become of a queue."""

    queue: str
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """How old the ended tasks are that go, and how many at most."""

    older_than: timedelta
    limit: int


def retry(ids: Ids) -> Talk[list[TaskId]]:
    """Those that had ended wait again."""
    return rows.ids((yield Ask("retry", [id.hex for id in ids])))


def cancel(ids: Ids) -> Talk[list[TaskId]]:
    """Those that wait are cancelled, those that run are asked to stop."""
    return rows.ids((yield Ask("cancel", [id.hex for id in ids])))


def pause(pausing: Pausing) -> Talk[None]:
    """Stop or resume claiming from a queue."""
    yield Ask("pause", [pausing.queue, int(pausing.paused)])


def prune(pruning: Pruning) -> Talk[tuple[int, int]]:
    """Delete what ended long ago; how many, and how many were looked at: those of chains that go on are spared."""
    arguments = [stored.microseconds(pruning.older_than), max(pruning.limit, 0)]
    deleted, looked_at = cast("list[int]", (yield Ask("prune", arguments)))
    return deleted, looked_at
