"""What people do to tasks and queues: retry, cancel, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards import stored
from afterwards.stores.sqlite import chains, keys
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import TaskId

Ids = Sequence[TaskId]


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


def retry(transaction: Transaction, ids: Ids) -> list[TaskId]:
    """Those that had ended wait again."""
    return _each(transaction, ids, _retry)


def cancel(transaction: Transaction, ids: Ids) -> list[TaskId]:
    """Those that wait are cancelled, those that run are asked to stop."""
    return _each(transaction, ids, _cancel)


def _each(transaction: Transaction, ids: Ids, change: Callable[[Transaction, TaskId], bool]) -> list[TaskId]:
    """Those by which a task was changed; the name may be another of it."""
    tasks = keys.named_by(transaction, ids)
    return [id for id in dict.fromkeys(ids) if id in tasks and change(transaction, tasks[id])]


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
    keys.let_go(transaction, [id for _, id in old if id is not None])
    transaction.execute("drop_old_keys", limit=limit)
    return transaction.execute("prune", sequences=as_list([sequence for sequence, _ in old])) if old else 0
