"""Orders of tasks other than the newest first. No store has them, so that they are of the newest that match alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from afterwards.dashboard.sampling import NOTHING, runs, waits
from afterwards.dashboard.searching import Found, Query, find
from afterwards.tasks import Task

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

AMONG = 1_000
Rank = Callable[[Task, datetime], Any]


def _or_nothing(length: timedelta | None) -> timedelta:
    return NOTHING if length is None else length


RANKS: Mapping[str, Rank] = {
    "wait": lambda task, now: _or_nothing(waits(task, now)),
    "run": lambda task, now: _or_nothing(runs(task, now)),
    "tries": lambda task, now: task.attempt,
}


async def ranked(desk: Desk, query: Query, rank: Rank, *, skip: int, limit: int) -> tuple[Found, bool]:
    """A part of the newest `AMONG` that match, the highest rank first; and whether there is more of them."""
    now = (await desk.pulse.counted()).now
    found = await find(desk.house.store, desk.redaction, query, limit=AMONG)
    ordered = sorted(found.tasks, key=lambda task: rank(task, now), reverse=True)
    part = replace(found, tasks=ordered[skip : skip + limit], looked=len(ordered), older=None, is_cut=False)
    return part, len(ordered) > skip + limit
