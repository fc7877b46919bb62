"""What people do to tasks and queues: retry, cancel, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards import stored
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Ask, Talk
from afterwards.tasks import TaskId

Ids = Sequence[TaskId]

_AT_ONCE = 1_000


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
    return (yield from _some_at_a_time("retry", ids))


def cancel(ids: Ids) -> Talk[list[TaskId]]:
    """Those that wait are cancelled, those that run are asked to stop."""
    return (yield from _some_at_a_time("cancel", ids))


def pause(pausing: Pausing) -> Talk[None]:
    """Stop or resume claiming from a queue."""
    yield Ask("pause", [pausing.queue, int(pausing.paused)])


def prune(pruning: Pruning) -> Talk[int]:
    """Delete what ended long ago."""
    arguments = [stored.microseconds(pruning.older_than), max(pruning.limit, 0)]
    return cast("int", (yield Ask("prune", arguments)))


def _some_at_a_time(script: str, ids: Ids) -> Talk[list[TaskId]]:
    """Many ids are several scripts, so that none takes long."""
    changed: list[TaskId] = []
    for start in range(0, len(ids), _AT_ONCE):
        changed += rows.ids((yield Ask(script, [id.hex for id in ids[start : start + _AT_ONCE]])))
    return changed
