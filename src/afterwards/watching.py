"""Follows tasks for those who watch them: one look at the store for all of one event loop, however many they are.

Nobody owns a loop that looks. Whoever wants to see next, and finds that no look is under way, looks for all.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager

from afterwards.errors import StoreUnavailable
from afterwards.tasks import Task, TaskId

Find = Callable[[tuple[TaskId, ...]], Awaitable[list[Task]]]

PAUSE = 0.25  # seconds between looks
AT_ONCE = 500  # ids in one question
SHARE = 10  # a look may take no more than one part in so many of the time


class Watcher:
    """Everybody's eyes. `find` asks the store for the tasks with these ids."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._eyes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Eyes] = weakref.WeakKeyDictionary()

    async def follow(self, task_id: TaskId) -> AsyncGenerator[Task | None]:
        """The task at every look, changed or not, for ever; None when the store does not have it.

        While the store is away nothing is seen to change.
        """
        eyes = self._eyes.setdefault(asyncio.get_running_loop(), _Eyes(self._find))
        with eyes.on(task_id):
            while True:
                await eyes.look()
                if eyes.have_seen(task_id):
                    yield eyes.picture.get(task_id)

    @property
    def watched(self) -> int:
        """How many tasks are watched now."""
        return sum(len(eyes.ids) for eyes in self._eyes.values())


class SharedLook:
    """What many wait for and one does: who comes first, in the event loop that he comes in."""

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self._looking: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[None]]
        self._looking = weakref.WeakKeyDictionary()

    async def __call__(self) -> None:
        """Wait for the next look, or be who looks. It may be cut short, and then nothing new is seen."""
        loop = asyncio.get_running_loop()
        others = self._looking.get(loop)
        if others is not None:
            await asyncio.wait([others])
            return
        looking = self._looking[loop] = loop.create_future()
        try:
            await self._look()
        finally:
            del self._looking[loop]
            looking.set_result(None)


class _Eyes:
    """Those of one event loop. `picture` is what the last look saw."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self.ids: Counter[TaskId] = Counter()
        self.picture: dict[TaskId, Task] = {}
        self._seen: frozenset[TaskId] = frozenset()
        self._pause = PAUSE
        self.look = SharedLook(self._look)

    @contextmanager
    def on(self, task_id: TaskId) -> Generator[None]:
        """This task is watched inside the block."""
        self.ids[task_id] += 1
        try:
            yield
        finally:
            self.ids[task_id] -= 1
            self.ids += Counter()  # which drops those that nobody watches

    def have_seen(self, task_id: TaskId) -> bool:
        """Whether the last look was at this one too; it was not, if somebody has come since."""
        return task_id in self._seen

    async def _look(self) -> None:
        await asyncio.sleep(self._pause)
        loop = asyncio.get_running_loop()
        ids, began = tuple(self.ids), loop.time()
        try:
            found = [task for some in _parts(ids) for task in await self._find(some)]
        except StoreUnavailable:
            return
        self.picture = {task.id: task for task in found}
        self._seen = frozenset(ids)
        self._pause = max(PAUSE, (loop.time() - began) * SHARE)


def _parts(ids: tuple[TaskId, ...]) -> list[tuple[TaskId, ...]]:
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
