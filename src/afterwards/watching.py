"""Follows tasks for those who watch them: one look at the store for all of one event loop, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from weakref import WeakKeyDictionary

from afterwards.errors import StoreUnavailable
from afterwards.looks import Look
from afterwards.tasks import Task, TaskId

Find = Callable[[tuple[TaskId, ...]], Awaitable[list[Task]]]

PAUSE = 0.25  # seconds between looks
AT_ONCE = 500  # ids in one question


class Watcher:
    """Everybody's eyes. `find` asks the store for the tasks with these ids."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._looks: WeakKeyDictionary[asyncio.AbstractEventLoop, Look[Task]] = WeakKeyDictionary()

    async def follow(self, task_id: TaskId) -> AsyncGenerator[Task | None]:
        """The task at every look, changed or not, for ever; None when the store does not have it.

        While the store is away nothing is seen to change.
        """
        loop = asyncio.get_running_loop()
        look = self._looks.setdefault(loop, Look(self._found, shortest=PAUSE, longest=PAUSE))
        with look.at([task_id]):
            while True:
                try:
                    await look.next()
                except StoreUnavailable:
                    continue
                if look.has_seen([task_id]):
                    yield look.picture.get(task_id)

    @property
    def watched(self) -> int:
        """How many tasks are watched now."""
        return sum(len(look.wanted) for look in self._looks.values())

    async def _found(self, ids: Collection[TaskId]) -> Mapping[TaskId, Task]:
        wanted = tuple(ids)
        parts = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
        return {task.id: task for part in parts for task in await self._find(part)}
