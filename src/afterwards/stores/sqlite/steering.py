"""What people do to tasks and queues: retry, cancel, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from afterwards import stored
from afterwards.stores.sqlite.followers import free_followers
from afterwards.stores.sqlite.transaction import Transaction
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
    retried = [id for id in ids if transaction.execute("retry", id=str(id))]
    transaction.rings |= bool(retried)
    return retried


def cancel(transaction: Transaction, ids: Ids) -> list[TaskId]:
    """Those that wait are cancelled, those that run are asked to stop."""
    return [id for id in ids if _cancel_waiting(transaction, str(id)) or transaction.execute("ask_to_stop", id=str(id))]


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
    before = stored.earlier(transaction.now, pruning.older_than)
    return transaction.execute("prune", before=before, limit=max(pruning.limit, 0))
