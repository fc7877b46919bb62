"""Returns what dead workers left running, and forgets them. What follows for each task is decided here, purely."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards.outcomes import crash_wait
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Failure, State, Task, WorkerId


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What becomes of it. `wait` is None when its place in the line stays."""

    state: State
    wait: timedelta | None
    crashes: int
    suspect: bool
    error: str | None = None


def what_follows(dropped: Dropped, *, was_leaving: bool) -> Return:
    """A worker that was leaving has not crashed; otherwise the budget of crashes decides."""
    allowed = max(1, dropped.crashes_allowed)
    crashes = dropped.crashes if was_leaving else dropped.crashes + 1
    suspect = crashes > 0 and crashes + 1 >= allowed
    if crashes >= allowed:
        return Return(state=State.FAILED, wait=None, crashes=crashes, suspect=suspect, error=_poison(crashes))
    if dropped.stop_asked:
        return Return(state=State.CANCELLED, wait=None, crashes=crashes, suspect=suspect)
    wait = None if was_leaving else crash_wait(crashes)
    return Return(state=State.WAITING, wait=wait, crashes=crashes, suspect=suspect)


def _poison(crashes: int) -> str:
    times = "once" if crashes == 1 else f"{crashes} times"
    message = f"the process that ran it died {times}, which is all it is allowed; `retry` tries it again"
    return rows.failure_text(Failure(kind="Crashed", message=message))


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
    follows = {task: what_follows(task, was_leaving=task.worker in leaving) for task in dropped}
    changes = [_change(task, then, transaction.now) for task, then in follows.items()]
    transaction.execute("return_dropped", dropped=as_list(changes))
    transaction.rings = True
    free_followers(transaction, [task.id for task, then in follows.items() if then.state.ended])
    return rows.tasks(transaction.rows("read_tasks", sequences=as_list([task.sequence for task in dropped])))


def _change(task: Dropped, then: Return, now: int) -> list[object]:
    due = None if then.wait is None else rows.later(now, then.wait)
    return [task.sequence, then.state, due, then.crashes, then.suspect, then.error]
