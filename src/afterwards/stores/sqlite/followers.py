"""Frees the tasks that were held after others, when the turn of those is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from afterwards.stores.sqlite import chains
from afterwards.stores.sqlite.chains import Step
from afterwards.stores.sqlite.claiming import take
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Task, WorkerId


class Follower(NamedTuple):
    """A row of `find_followers`."""

    sequence: int
    is_claimable: int
    after: str
    id: str
    link: str | None


def free_followers(transaction: Transaction, ids: Sequence[str], *, claimed_by: WorkerId | None = None) -> list[Task]:
    """Free who waits for these, whose turn is over. What `claimed_by` may have of them is claimed for it at once."""
    free: list[Follower] = []
    while ids:  # a step that is cancelled lets what needs it know in the next round
        followers = _followers(transaction, ids, claimed_by)
        turns = chains.move_on(transaction, [Step(it.sequence, it.id, it.link) for it in followers if it.link])
        free += [it for it in followers if it.link is None or it.sequence in turns.free]
        ids = turns.ended
    if not free:
        return []
    if waiting := [it.sequence for it in free if not it.is_claimable]:
        transaction.execute("free_tasks", sequences=as_list(waiting))
        transaction.rings = True
    claimable = [it.sequence for it in free if it.is_claimable]
    return take(transaction, claimable, claimed_by) if claimed_by is not None else []


def free_line(transaction: Transaction, ids: Sequence[str]) -> None:
    """Free who waits in a line for these, which are gone; a step of a chain stays held."""
    followers = _followers(transaction, ids, None)
    if free := [it.sequence for it in followers if it.link is None]:
        transaction.execute("free_tasks", sequences=as_list(free))
        transaction.rings = True


def _followers(transaction: Transaction, ids: Sequence[str], worker: WorkerId | None) -> list[Follower]:
    found = transaction.ask("find_followers", lambda: {"ids": as_list(ids), "worker": worker})
    over = set(ids)  # more may have been asked for than turned out to be over
    followers = [Follower(*row) for row in cast("list[tuple[int, int, str, str, str | None]]", found)]
    return [follower for follower in followers if follower.after in over]
