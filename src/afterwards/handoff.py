"""Takes the calls of a batch to the store, and from there straight to the worker of this process.

When the worker has room, the add claims in the same write; the tasks then start once their response has been sent,
without anybody having looked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from afterwards.batch import LocalCall
from afterwards.errors import StoreUnavailable
from afterwards.events import Events, Presence, TasksAdded
from afterwards.joining import Joining
from afterwards.local import run_locally
from afterwards.store import Store
from afterwards.tasks import NO_DELAY, Added, Call, Task, TaskId
from afterwards.tracing import UNTRACED, Tracing
from afterwards.transactions import Transaction
from afterwards.worker import Worker


class HandOff:
    """The taker of a house that is open for work."""

    def __init__(
        self,
        store: Store,
        events: Events,
        worker: Callable[[], Worker | None],
        joining: Joining,
        tracing: Tracing = UNTRACED,
    ) -> None:
        self._store = store
        self._events = events
        self._worker = worker
        self._presence = Presence(events, "add")
        self._joining = joining
        self._tracing = tracing

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        """Store the calls; those that the worker here has room for are claimed by the same write."""
        worker = self._worker()
        try:
            with self._tracing.storing(calls):
                if worker is None or not worker.is_here:
                    added = await self._store.add(calls)
                else:
                    added = await self._take_with(worker, calls, sent=sent)
        except StoreUnavailable as error:
            self._presence.away(error)
            raise
        self._presence.back()
        if self._events.heard(TasksAdded) and (ids := _stored(calls, added)):
            self._events.say(TasksAdded(ids=ids))

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None:
        """The transaction itself stores it."""
        self._worker()  # which says it, if there is nobody who will run it
        self._joining.join(call, transaction)

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None:
        """The response has been sent."""
        worker = self._worker()
        if worker is not None and worker.is_here:
            worker.let_go(ids)
        for call in local:
            await run_locally(call, self._events)

    async def _take_with(self, worker: Worker, calls: Sequence[Call], *, sent: bool) -> list[Added]:
        ids = [call.id for call in calls]
        count = sum(_may_start_now(call) for call in calls)
        claimed_by = worker.promise(count) if count else None
        if not sent:
            worker.hold_back(ids)
        try:
            added = await self._store.add(calls, claimed_by=claimed_by)
        except BaseException:
            worker.let_go(ids)
            raise
        finally:
            if claimed_by is not None:
                worker.unpromise(count)
        claimed = [one.claimed for one in added if one.claimed is not None]
        if len(calls) > 1:
            _expect_followers(worker, calls, claimed)
        worker.accept(claimed)
        return added


def _expect_followers(worker: Worker, calls: Sequence[Call], claimed: Sequence[Task]) -> None:
    heads = {call.after for call in calls}
    worker.expect_followers(task.id for task in claimed if task.id in heads)


def _stored(calls: Sequence[Call], added: Sequence[Added]) -> tuple[TaskId, ...]:
    """All but the twins of other tasks."""
    return tuple(call.id for call, its in zip(calls, added, strict=True) if its.id == call.id)


def _may_start_now(call: Call) -> bool:
    return call.after is None and call.due is None and call.delay == NO_DELAY
