"""Returns what dead workers left running, and forgets them. What follows for each task is decided in crashes.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.crashes import Return, after_crash
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.followers import free_followers
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import State, Task, WorkerId

DroppedRow = tuple[int, UUID, str, int, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Whose tasks to return, and how many at most."""

    known_dead: tuple[WorkerId, ...]
    expired: bool
    limit: int


async def rescue(transaction: Transaction, search: Search) -> list[Task]:
    """Return up to `limit` tasks of the dead, as they are then."""
    dead = await _dead(transaction, search)
    if not dead:
        return []
    workers = list(dead)
    dropped = await transaction.rows("dropped_tasks", workers=workers, limit=max(search.limit, 0))
    leaving = {worker for worker, is_leaving in dead.items() if is_leaving}
    returned = await _return(transaction, cast("list[DroppedRow]", dropped), leaving=leaving)
    await transaction.execute("forget_dead", workers=workers)
    return returned


def merge(before: list[Task], now: list[Task]) -> list[Task]:
    """Of two times that the same was sent: all that was returned."""
    return [*before, *now]


async def give_back(transaction: Transaction, worker: WorkerId) -> None:
    """What a worker still holds waits again, as if it had never been claimed."""
    given = cast("list[tuple[UUID, str]]", await transaction.rows("give_back", worker=worker))
    transaction.rings |= bool(given)
    await free_followers(transaction, [id for id, state in given if state == State.CANCELLED])


async def _dead(transaction: Transaction, search: Search) -> dict[str, bool]:
    found = await transaction.rows("dead_workers", known_dead=list(search.known_dead), expired=search.expired)
    return dict(cast("list[tuple[str, bool]]", found))


async def _return(transaction: Transaction, dropped: Sequence[DroppedRow], *, leaving: Collection[str]) -> list[Task]:
    if not dropped:
        return []
    follows = [_what_follows(task, leaving) for task in dropped]
    returned = await transaction.rows(
        "return_dropped",
        sequences=[sequence for sequence, *_ in dropped],
        states=[then.state for then in follows],
        waits=[None if then.wait is None else rows.wait(then.wait) for then in follows],
        crashes=[then.crashes for then in follows],
        suspects=[then.suspect for then in follows],
        errors=[None if then.error is None else stored.failure_text(then.error) for then in follows],
    )
    transaction.rings = True
    ended = [task[1] for task, then in zip(dropped, follows, strict=True) if then.state.ended]
    await free_followers(transaction, ended)
    return rows.whole_tasks(returned)


def _what_follows(task: DroppedRow, leaving: Collection[str]) -> Return:
    _, _, worker, crashes, allowed, stop_asked = task
    return after_crash(crashes=crashes, allowed=allowed, stop_asked=stop_asked, was_leaving=worker in leaving)
