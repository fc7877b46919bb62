"""Takers of a batch's calls that do what a store seldom does."""

from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel

from afterwards.batch import LocalCall
from afterwards.tasks import Call, TaskId
from afterwards.transactions import Transaction


class RefusesLate:
    """Takes what comes before the response, and raises `error` for what comes later."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.taken: list[TaskId] = []
        self.released: list[TaskId] = []

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        if sent:
            raise self._error
        self.taken.extend(call.id for call in calls)

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None: ...

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None:
        self.released.extend(ids)


class TakesItsTime:
    """While it takes, the request is cancelled."""

    def __init__(self, request: anyio.CancelScope) -> None:
        self.request = request
        self.taken: list[TaskId] = []

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        self.request.cancel()
        await anyio.lowlevel.checkpoint()
        self.taken.extend(call.id for call in calls)

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None: ...

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None: ...
