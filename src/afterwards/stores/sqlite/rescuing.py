"""Returns what dead workers left running, and forgets them. What follows for each task is decided in crashes.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from afterwards import stored
from afterwards.crashes import Return, after_crash
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Task, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Whose tasks to return, and how many at most."""

    known_dead: tuple[WorkerId, ...]
    expired: bool
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A task that a dead worker left running."""

    sequence: int
    id: str
    worker: str
    crashes: int
    crashes_allowed: int
    stop_asked: bool


def rescue(transaction: Transaction, search: Search) -> list[Task]:
    """Return up to `limit` tasks of the dead, as they are then."""
    dead = dict(_dead(transaction, search))
    workers = as_list([*dead, *(worker for worker in search.known_dead if worker not in dead)])
    dropped = _dropped(transaction, workers, search.limit)
    returned = _return(transaction, dropped, leaving={worker for worker, leaving in dead.items() if leaving})
    transaction.execute("forget_dead", workers=workers)
    return returned


def give_back(transaction: Transaction, worker: WorkerId) -> None:
    """What a worker still holds waits again, as if it had never been claimed."""
    stopped = transaction.strings("asked_to_stop", worker=worker)
    transaction.rings |= transaction.execute("give_back", worker=worker) > 0
    free_followers(transaction, stopped)


def _dead(transaction: Transaction, search: Search) -> Collection[tuple[str, int]]:
    found = transaction.rows("dead_workers", known_dead=as_list(search.known_dead), expired=search.expired)
    return cast("list[tuple[str, int]]", found)


def _dropped(transaction: Transaction, workers: str, limit: int) -> list[Dropped]:
    found = cast(
        "list[tuple[int, str, str, int, int, int]]",
        transaction.rows("dropped_tasks", workers=workers, limit=max(limit, 0)),
    )
    return [
        Dropped(
            sequence=sequence,
            id=id,
            worker=worker,
            crashes=crashes,
            crashes_allowed=allowed,
            stop_asked=bool(stop_asked),
        )
        for sequence, id, worker, crashes, allowed, stop_asked in found
    ]


def _return(transaction: Transaction, dropped: Sequence[Dropped], *, leaving: Collection[str]) -> list[Task]:
    if not dropped:
        return []
    follows = {task: _what_follows(task, was_leaving=task.worker in leaving) for task in dropped}
    changes = [_change(task, then, transaction.now) for task, then in follows.items()]
    transaction.execute("return_dropped", dropped=as_list(changes))
    transaction.rings = True
    free_followers(transaction, [task.id for task, then in follows.items() if then.state.ended])
    sequences = as_list([task.sequence for task in dropped])
    return rows.whole_tasks(transaction.rows("read_whole_tasks", sequences=sequences))


def _what_follows(task: Dropped, *, was_leaving: bool) -> Return:
    return after_crash(
        crashes=task.crashes, allowed=task.crashes_allowed, stop_asked=task.stop_asked, was_leaving=was_leaving
    )


def _change(task: Dropped, then: Return, now: int) -> list[object]:
    due = None if then.wait is None else stored.later(now, then.wait)
    error = None if then.error is None else stored.failure_text(then.error)
    return [task.sequence, then.state, due, then.crashes, then.suspect, error]
