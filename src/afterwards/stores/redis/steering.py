"""What people do to tasks and queues: retry, cancel, delete, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards import stored
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.tasks import Search, State, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which tasks are to be changed: of these, by any of their names, those that match."""

    ids: tuple[TaskId, ...]
    matching: Search | None = None


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


def retry(chosen: Chosen) -> Talk[list[TaskId]]:
    """Those that had ended wait again."""
    return rows.ids((yield Ask("retry", _arguments(chosen))))


def cancel(chosen: Chosen) -> Talk[list[TaskId]]:
    """Those that wait are cancelled, those that run are asked to stop."""
    return rows.ids((yield Ask("cancel", _arguments(chosen))))


def delete(chosen: Chosen) -> Talk[list[TaskId]]:
    """Those that have ended go."""
    return rows.ids((yield Ask("delete", _arguments(chosen))))


def _arguments(chosen: Chosen) -> list[Argument]:
    search = chosen.matching or Search()
    return [*rows.search_arguments(search, search.among(State)), *(id.hex for id in chosen.ids)]


def pause(pausing: Pausing) -> Talk[None]:
    """Stop or resume claiming from a queue."""
    yield Ask("pause", [pausing.queue, int(pausing.paused)])


def prune(pruning: Pruning) -> Talk[tuple[int, int]]:
    """Delete what ended long ago; how many, and how many were looked at: those of chains that go on are spared."""
    arguments = [stored.microseconds(pruning.older_than), max(pruning.limit, 0)]
    deleted, looked_at = cast("list[int]", (yield Ask("prune", arguments)))
    return deleted, looked_at
