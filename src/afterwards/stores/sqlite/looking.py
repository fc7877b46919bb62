"""Reads: what can be found, counted, and when something is due. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.transaction import Transaction, Value, as_list
from afterwards.tasks import Bookmark, Census, Hold, Search, SignedOn, Sought, State, Task, TaskId, WorkerId
from afterwards.throughput import Recent, Throughput


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


def states(transaction: Transaction, ids: Sequence[TaskId]) -> dict[TaskId, State]:
    """The states of these."""
    found = cast("list[tuple[str, str]]", transaction.rows("states", ids=as_list([str(id) for id in ids])))
    return {UUID(id): State(state) for id, state in found}


def find(transaction: Transaction, page: Page) -> list[Task]:
    """The tasks of the page, newest first."""
    with transaction.part():
        sequences = [sequence for sequence, _ in _sought(transaction, page)]
        return rows.whole_tasks(transaction.rows("read_whole_tasks", sequences=as_list(sequences))) if sequences else []


def seek(transaction: Transaction, page: Page) -> Sought:
    """Their ids, and where the next page begins."""
    found = _sought(transaction, page)
    goes_on = 0 < page.limit <= len(found)
    return Sought(ids=[UUID(id) for _, id in found], next=Bookmark(str(found[-1][0])) if goes_on else None)


def matching(transaction: Transaction, ids: Sequence[TaskId], search: Search | None) -> set[TaskId]:
    """Those of these tasks that match."""
    if search is None:
        return set(ids)
    page = Page(search=replace(search, ids=tuple(ids)), states=search.among(State), limit=len(ids))
    return {UUID(id) for _, id in _sought(transaction, page)}


def _sought(transaction: Transaction, page: Page) -> list[tuple[int, str]]:
    """The sequences and ids of the page's tasks, by what leads to the fewest."""
    search, values = page.search, _values(page)
    if search.ids is not None:
        found = transaction.rows("seek_by_id", ids=as_list([str(id) for id in search.ids]), **values)
    elif search.key is not None:
        found = transaction.rows("seek_by_key", **values)
    elif search.error is not None:
        found = transaction.rows("seek_by_error", **values)
    elif State.DONE in page.states:
        found = transaction.rows("seek_newest", **values)
    else:
        found = transaction.rows("seek_by_state", **{state: state in page.states for state in State}, **values)
    return cast("list[tuple[int, str]]", found)


def _values(page: Page) -> dict[str, Value]:
    search = page.search
    return {
        "states": as_list(page.states),
        "queue": search.queue,
        "name": search.name,
        "error": search.error,
        "error_ending": search.error_ending,
        "key": search.key,
        "added_after": _instant(search.added_after),
        "added_before": _instant(search.added_before),
        "after": None if page.after is None else str(page.after),
        "bookmark": None if page.bookmark is None else int(page.bookmark),
        "limit": max(page.limit, 0),
    }


def _instant(instant: datetime | None) -> int | None:
    return None if instant is None else stored.microseconds_at(instant)


def until_due(transaction: Transaction, glance: Glance) -> float | None:
    """Seconds until the first task is due that this worker could claim; 0 when one is; None when there is none."""
    unknown = as_list(glance.unknown)
    due = transaction.number("next_due", worker=glance.worker, suspects=glance.suspects, unknown=unknown)
    return None if due is None else max(due - transaction.now, 0) / 1_000_000


def workers(transaction: Transaction, _: None) -> list[SignedOn]:
    """Who is signed on."""
    return [rows.worker(row) for row in transaction.rows("list_workers")]


def unknown_names(transaction: Transaction, _: None) -> list[str]:
    """What no worker knew."""
    return transaction.strings("unknown_names")


def census(transaction: Transaction, _: None) -> Census:
    """Counts of everything at one moment."""
    with transaction.part():
        return _census(transaction)


def _census(transaction: Transaction) -> Census:
    by_state = Counter({State(state): tasks for state, tasks in _pairs(transaction, "count_ended")})
    by_state[State.RUNNING] = transaction.number("count_running") or 0
    by_queue: Counter[str] = Counter()
    held: Counter[Hold] = Counter()
    paused = tuple(transaction.strings("list_paused"))
    waiting_due, oldest_due = 0, dict[str, datetime]()
    for queue, hold, tasks, due, oldest in _waiting(transaction):
        by_state[State.WAITING] += tasks
        by_queue[queue] += tasks
        if hold is not None:
            held[Hold(hold)] += tasks
        if due is not None and queue not in paused:
            waiting_due += due
            oldest_due.update({} if oldest is None else {queue: stored.instant(oldest)})
    return Census(
        now=stored.instant(transaction.now),
        by_state={state: by_state[state] for state in State},
        waiting_by_queue=dict(by_queue),
        held=dict(held),
        unknown_names=tuple(unknown_names(transaction, None)),
        waiting_due=waiting_due,
        oldest_due=oldest_due,
        workers=tuple(workers(transaction, None)),
        paused=paused,
    )


def throughput(transaction: Transaction, recent: Recent) -> Throughput:
    """What ended within the time, or within a shorter one."""
    after = stored.earlier(transaction.now, recent.within)
    (_, since), *counts = _pairs(transaction, "count_recent", after=after, limit=max(recent.limit, 1))
    return Throughput(since=stored.instant(since), now=stored.instant(transaction.now), by_queue=dict(counts))


def _pairs(transaction: Transaction, statement: str, **values: Value) -> list[tuple[str, int]]:
    return cast("list[tuple[str, int]]", transaction.rows(statement, **values))


def _waiting(transaction: Transaction) -> list[tuple[str, str | None, int, int | None, int | None]]:
    return cast("list[tuple[str, str | None, int, int | None, int | None]]", transaction.rows("count_waiting"))
