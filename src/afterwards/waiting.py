"""Waits for tasks to end: one look at the store for all of one event loop who wait. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from afterwards.errors import UnknownTask
from afterwards.looks import Look
from afterwards.outcomes import Outcome
from afterwards.store import Store
from afterwards.tasks import Search, State, Task, TaskId

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25  # seconds between two looks: longer, the longer nobody new comes


class Waiting:
    """Those of this process who wait for tasks of `store`."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._looks: WeakKeyDictionary[asyncio.AbstractEventLoop, Look[State]] = WeakKeyDictionary()

    async def ended(self, ids: Sequence[TaskId]) -> list[Task]:
        """These tasks once all of them have ended, in their order. Raises UnknownTask, StoreUnavailable."""
        tasks: dict[TaskId, Task] = {}
        while left := [id for id in dict.fromkeys(ids) if id not in tasks]:
            await self._until_ended(left)
            found = await self._found(left)
            tasks |= {id: task for id, task in found.items() if task.state.ended}  # a person may have retried one
        return [tasks[id] for id in ids]

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """A worker in this event loop has settled these: who waits for one need not wait for the next look."""
        look = self._looks.get(asyncio.get_running_loop())
        if look is not None:
            look.stir(outcome.claim.id for outcome in outcomes)

    async def _until_ended(self, ids: Collection[TaskId]) -> None:
        loop, left = asyncio.get_running_loop(), set(ids)
        look = self._looks.setdefault(loop, Look(self._states, shortest=_SHORTEST_PAUSE, longest=_LONGEST_PAUSE))
        with look.at(ids):
            look.hurry()
            while left:
                await look.next()
                if look.has_seen(left):
                    left = {id for id in left if not _has_ended(id, look.picture)}

    async def _found(self, ids: Sequence[TaskId]) -> dict[TaskId, Task]:
        """Each under the id that was asked for, which may be another name of it."""
        tasks = await self._store().find(Search(ids=tuple(ids)), limit=len(ids))
        found = {task.id: task for task in tasks}
        for id in ids:
            if id not in found:
                found.update((id, task) for task in await self._store().find(Search(ids=(id,)), limit=1))
        return found

    async def _states(self, ids: Collection[TaskId]) -> Mapping[TaskId, State]:
        return await self._store().states(ids)


def _has_ended(id: TaskId, states: Mapping[TaskId, State]) -> bool:
    if id not in states:
        raise UnknownTask(id)
    return states[id].ended
