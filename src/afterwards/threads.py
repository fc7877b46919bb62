"""Runs the plain functions of tasks in threads, so many at once, and knows which tasks are inside one.

Nothing stops a thread. Who gives up on one leaves it behind, and it counts until it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

import anyio.to_thread

from afterwards.tasks import TaskId
from afterwards.timeouts import Limit

PLACE = __file__  # what stands in a traceback above the function itself


@dataclass(frozen=True, slots=True)
class Raised:
    """What a function raised in a thread: a future takes no StopIteration, and a thread no SystemExit."""

    error: BaseException


class Threads:
    """Up to `count` at once, apart from those of the app."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._limiter: anyio.CapacityLimiter | None = None
        self._inside: set[TaskId] = set()

    @property
    def inside(self) -> Set[TaskId]:
        """The tasks that are inside a thread now, where nothing can stop them."""
        return self._inside

    async def run(
        self,
        id: TaskId,
        limit: Limit,
        function: Callable[[], object],
        *,
        keeping: object = None,
        at_once: bool = False,
    ) -> object:
        """What the function returned, or Raised. The wait for a free thread does not count against `limit`.

        `at_once`: without that wait. `keeping` is let go when it has ended: the dependencies of one that is abandoned
        in its thread are still in use.
        """
        limit.hold()
        limiter = anyio.CapacityLimiter(1) if at_once else self._own_limiter()
        return await anyio.to_thread.run_sync(
            self._guarded, id, limit, function, keeping, abandon_on_cancel=True, limiter=limiter
        )

    def _guarded(self, id: TaskId, limit: Limit, function: Callable[[], object], keeping: object) -> object:
        self._inside.add(id)
        try:
            limit.go_on_in_thread()
            return function()
        except BaseException as error:
            return Raised(error)
        finally:
            self._inside.discard(id)

    def _own_limiter(self) -> anyio.CapacityLimiter:
        if self._limiter is None:  # made in an event loop
            self._limiter = anyio.CapacityLimiter(self._count)
        return self._limiter
