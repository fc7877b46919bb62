"""Reads: what can be found, counted, and when something is due. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from afterwards.stores.postgres import rows
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Bookmark, Census, Hold, Search, SignedOn, Sought, State, Task, TaskId, WorkerId
from afterwards.throughput import Recent, Throughput

_SEEK = {
    "find_by_id": "seek_by_id",
    "find_by_key": "seek_by_key",
    "find_by_error": "seek_by_error",
    "find_by_state": "seek_by_state",
    "find_newest": "seek_newest",
}
CountRow = tuple[datetime | None, str, str, str | None, int, int, datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of what a search finds, in some states."""

    search: Search
    states: tuple[State, ...]
    limit: int
    after: TaskId | None = None
    bookmark: Bookmark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """Whether there is something for this worker."""

    worker: WorkerId
    suspects: bool
    unknown: tuple[str, ...]


async def states(transaction: Transaction, ids: Sequence[TaskId]) -> dict[TaskId, State]:
    """The states of these."""
    found = cast("list[tuple[UUID, str]]", await transaction.rows("states", ids=list(ids)))
    return {id: State(state) for id, state in found}


async def find(transaction: Transaction, page: Page) -> list[Task]:
    """The tasks of the page, newest first."""
    return rows.whole_tasks(await transaction.rows(_way(page), **_values(page)))


async def seek(transaction: Transaction, page: Page) -> Sought:
    """Their ids, and where the next page begins."""
    found = cast("list[tuple[int, UUID]]", await transaction.rows(_SEEK[_way(page)], **_values(page)))
    goes_on = 0 < page.limit <= len(found)
    return Sought(ids=[rows.own(id) for _, id in found], next=Bookmark(str(found[-1][0])) if goes_on else None)


def _way(page: Page) -> str:
    """By what leads to the fewest."""
    search = page.search
    if search.ids is not None:
        return "find_by_id"
    if search.key is not None:
        return "find_by_key"
    if search.error is not None:
        return "find_by_error"
    return "find_newest" if State.DONE in page.states else "find_by_state"


def _values(page: Page) -> dict[str, object]:
    return {
        **narrowing(page.search),
        "ids": list(page.search.ids or ()),
        "states": list(page.states),
        "after": page.after,
        "bookmark": None if page.bookmark is None else int(page.bookmark),
        "limit": max(page.limit, 0),
    }


def narrowing(search: Search) -> dict[str, object]:
    """The values of what a search narrows by, beyond ids and states."""
    return {
        "queue": search.queue,
        "name": search.name,
        "error": search.error,
        "error_ending": search.error_ending,
        "key": search.key,
        "added_after": None if search.added_after is None else rows.aware(search.added_after),
        "added_before": None if search.added_before is None else rows.aware(search.added_before),
    }


async def throughput(transaction: Transaction, recent: Recent) -> Throughput:
    """What ended within the time, or within a shorter one."""
    found = await transaction.rows("count_recent", within=rows.ago(recent.within), limit=max(recent.limit, 1))
    (since, now, *_), *counts = cast("list[tuple[datetime, datetime, str, int]]", found)
    return Throughput(since=since, now=now, by_queue={queue: count for _since, _now, queue, count in counts})


async def until_due(transaction: Transaction, glance: Glance) -> float | None:
    """Seconds until the first task is due that this worker could claim; 0 when one is; None when there is none."""
    [[seconds]] = await transaction.rows(
        "next_due", worker=glance.worker, suspects=glance.suspects, unknown=list(glance.unknown)
    )
    return None if seconds is None else max(cast("float", seconds), 0.0)


async def workers(transaction: Transaction, _: None) -> list[SignedOn]:
    """Who is signed on."""
    return [rows.worker(row) for row in await transaction.rows("list_workers")]


async def unknown_names(transaction: Transaction, _: None) -> list[str]:
    """What no worker knew."""
    return [cast("str", name) for [name] in await transaction.rows("unknown_names")]


async def census(transaction: Transaction, _: None) -> Census:
    """Counts of everything at one moment; and who works, right after it."""
    counts = cast("Sequence[CountRow]", await transaction.rows("count_tasks"))
    known, names = await workers(transaction, None), await unknown_names(transaction, None)
    paused = tuple(sorted(queue for _, kind, queue, *_ in counts if kind == "paused"))
    by_state, by_queue, held = Counter[State](), Counter[str](), Counter[Hold]()
    waiting_due, oldest_due = 0, dict[str, datetime]()
    for _at, kind, subject, hold, tasks, due, oldest in counts:
        if kind == "ended":
            by_state[State(subject)] += tasks
        elif kind == "running":
            by_state[State.RUNNING] += tasks
        elif kind == "waiting":
            by_state[State.WAITING] += tasks
            by_queue[subject] += tasks
            held.update({} if hold is None else {Hold(hold): tasks})
            waiting_due += 0 if subject in paused else due
            oldest_due.update({} if oldest is None or subject in paused else {subject: oldest})
    return Census(
        now=next(at for at, *_others in counts if at is not None),
        by_state={state: by_state[state] for state in State},
        waiting_by_queue=dict(by_queue),
        held=dict(held),
        unknown_names=tuple(names),
        waiting_due=waiting_due,
        oldest_due=oldest_due,
        workers=tuple(known),
        paused=paused,
    )
