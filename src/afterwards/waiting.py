"""Waits for tasks to end: one look for all who wait, however many they are. Changes nothing.

Whoever came first looks, for the others too, and hands that on to another when its own tasks have ended. So there is
one question to the store at a time from each event loop, and nothing runs when nobody waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from afterwards.errors import UnknownTask
from afterwards.outcomes import Outcome
from afterwards.store import Store
from afterwards.tasks import Search, State, Task, TaskId

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25  # seconds between two looks: longer, the longer nothing happens
_REST, _LONGEST_REST = 9, 1.0  # times as long as a look took, and seconds: looking takes a tenth of the time


class Waiting:
    """Those of this process who wait for tasks of `store`."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._circles: WeakKeyDictionary[asyncio.AbstractEventLoop, _Circle] = WeakKeyDictionary()

    async def ended(self, ids: Sequence[TaskId]) -> list[Task]:
        """These tasks once all of them have ended, in their order. Raises UnknownTask, StoreUnavailable."""
        circle = self._circles.setdefault(asyncio.get_running_loop(), _Circle(self._states))
        tasks: dict[TaskId, Task] = {}
        while left := [id for id in dict.fromkeys(ids) if id not in tasks]:
            await circle.wait(left)
            found = await self._found(left)
            tasks |= {id: task for id, task in found.items() if task.state.ended}  # a person may have retried one
        return [tasks[id] for id in ids]

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """A worker in this event loop has settled these: who waits for one need not wait for the next look."""
        circle = self._circles.get(asyncio.get_running_loop())
        if circle is not None:
            circle.stir(outcome.claim.id for outcome in outcomes)

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


class _Waiter:
    """One who waits for `left` to end."""

    def __init__(self, ids: Iterable[TaskId]) -> None:
        self.left = set(ids)
        self.error: Exception | None = None
        self.turn = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.error is not None or not self.left

    def hear(self, states: Mapping[TaskId, State]) -> None:
        for id in tuple(self.left):
            state = states.get(id)
            if state is None:
                self.error = UnknownTask(id)
            elif state.ended:
                self.left.discard(id)
        if self.is_over:
            self.turn.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.turn.set()


class _Circle:
    """Those who wait in one event loop."""

    def __init__(self, states: Callable[[Collection[TaskId]], Awaitable[Mapping[TaskId, State]]]) -> None:
        self._states = states
        self._waiters: list[_Waiter] = []
        self._somebody_looks = False
        self._pause = _SHORTEST_PAUSE
        self._stirred = asyncio.Event()

    async def wait(self, ids: Iterable[TaskId]) -> None:
        """Until all of these have ended. Raises UnknownTask, and what the store raises."""
        waiter = _Waiter(ids)
        self._waiters.append(waiter)
        self._pause = _SHORTEST_PAUSE
        self._stirred.set()
        try:
            while not waiter.is_over:
                await (self._its_turn(waiter) if self._somebody_looks else self._look_for_all(waiter))
        finally:
            self._waiters.remove(waiter)
            if self._waiters and not self._somebody_looks:
                self._waiters[0].turn.set()
        if waiter.error is not None:
            raise waiter.error

    def stir(self, ids: Iterable[TaskId]) -> None:
        """Something has happened to these."""
        if self._waiters and not self._waited_for().isdisjoint(ids):
            self._stirred.set()

    async def _its_turn(self, waiter: _Waiter) -> None:
        await waiter.turn.wait()
        waiter.turn.clear()

    async def _look_for_all(self, waiter: _Waiter) -> None:
        """Until this one has what it waits for."""
        self._somebody_looks = True
        try:
            while True:
                began = time.monotonic()
                self._stirred.clear()
                await self._look()
                if waiter.is_over:
                    return
                await asyncio.sleep(min(_REST * (time.monotonic() - began), _LONGEST_REST))
                await self._until_stirred()
        finally:
            self._somebody_looks = False

    async def _look(self) -> None:
        asked = self._waited_for()
        try:
            states = await self._states(asked)
        except Exception as error:  # it is the answer to all who ask
            for waiter in self._waiters:
                waiter.fail(error)
            return
        for waiter in self._waiters:
            if waiter.left <= asked:  # else it has come meanwhile
                waiter.hear(states)

    async def _until_stirred(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._stirred.wait()
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)

    def _waited_for(self) -> set[TaskId]:
        return {id for waiter in self._waiters for id in waiter.left}
