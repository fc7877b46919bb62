"""What people do to tasks and queues: retry, cancel, delete, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.stores.sqlite import chains, keys, looking
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Search, TaskId


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


def retry(transaction: Transaction, chosen: Chosen) -> list[TaskId]:
    """Those that had ended wait again."""
    return [id for task, id in _names_of(transaction, chosen).items() if _retry(transaction, task)]


def cancel(transaction: Transaction, chosen: Chosen) -> list[TaskId]:
    """Those that wait are cancelled, those that run are asked to stop."""
    return [id for task, id in _names_of(transaction, chosen).items() if _cancel(transaction, task)]


def delete(transaction: Transaction, chosen: Chosen) -> list[TaskId]:
    """Those that have ended go."""
    names = _names_of(transaction, chosen)
    ids = as_list([str(task) for task in names])
    ended = cast("list[tuple[int, str, str | None]]", transaction.rows("ended_among", ids=ids))
    _drop(transaction, [(sequence, None if key is None else id) for sequence, id, key in ended])
    gone = {UUID(id) for _, id, _ in ended}
    return [id for task, id in names.items() if task in gone]


def _names_of(transaction: Transaction, chosen: Chosen) -> dict[TaskId, TaskId]:
    """The tasks in the order in which they were named, each with the first of its names that was given."""
    named = keys.named_by(transaction, chosen.ids)
    fits = looking.matching(transaction, [*named.values()], chosen.matching)
    names: dict[TaskId, TaskId] = {}
    for id in chosen.ids:
        if id in named and named[id] in fits:
            names.setdefault(named[id], id)
    return names


def _retry(transaction: Transaction, id: TaskId) -> bool:
    is_held = chains.may_wait_again(transaction, id)
    if is_held is None or not keys.may_wait_again(transaction, id):
        return False
    retried = is_held or transaction.execute("retry", id=str(id)) > 0
    if retried:
        chains.revive(transaction, id)
    transaction.rings |= retried
    return retried


def _cancel(transaction: Transaction, id: TaskId) -> bool:
    return _cancel_waiting(transaction, str(id)) or transaction.execute("ask_to_stop", id=str(id)) > 0


def _cancel_waiting(transaction: Transaction, id: str) -> bool:
    transaction.execute("close_over", id=id)
    cancelled = transaction.execute("cancel_waiting", id=id) > 0
    if cancelled:
        free_followers(transaction, [id])
    return cancelled


def pause(transaction: Transaction, pausing: Pausing) -> None:
    """Stop or resume claiming from a queue."""
    transaction.execute("pause" if pausing.paused else "resume", queue=pausing.queue)
    transaction.rings |= not pausing.paused


def prune(transaction: Transaction, pruning: Pruning) -> int:
    """Delete what ended long ago."""
    before, limit = stored.earlier(transaction.now, pruning.older_than), max(pruning.limit, 0)
    old = cast("list[tuple[int, str | None]]", transaction.rows("find_old", before=before, limit=limit))
    transaction.execute("drop_old_keys", limit=limit)
    return _drop(transaction, old)


def _drop(transaction: Transaction, going: Sequence[tuple[int, str | None]]) -> int:
    """Delete these, which have ended; the id stands with a task that may hold a key. How many."""
    keys.let_go(transaction, [id for _, id in going if id is not None])
    return transaction.execute("prune", sequences=as_list([sequence for sequence, _ in going])) if going else 0
