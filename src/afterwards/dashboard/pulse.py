"""Tells open pages that something has changed: one look at the store for all of them, and none when there are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

from afterwards.errors import StoreUnavailable
from afterwards.house import House
from afterwards.leaving import server_is_leaving
from afterwards.looks import SharedLook
from afterwards.streaming import BEAT, HEARTBEAT, event
from afterwards.tasks import Census, Search, State, TaskId

PAUSE = 1.0  # seconds between looks
SHARE = 50  # a look may take no more than one part in so many of the time
RUNNING_SEEN = 50
FRESH = 1.0
LATE = timedelta(seconds=1)  # an event loop that is later is worth a word


class Pulse:
    """Looks for all open pages of one process."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._mark: object = None
        self._pause = PAUSE
        self._look = SharedLook(self._look_once)
        self._census: tuple[float, Census] | None = None

    async def census(self) -> Census:
        """As it was less than a second ago: counting a large store takes its time."""
        now = asyncio.get_running_loop().time()
        if self._census is None or not 0 <= now - self._census[0] < FRESH:
            self._census = now, await self._house.store.census()
        return self._census[1]

    def forget(self) -> None:
        """Something has just been changed from here: count anew."""
        self._census = None

    async def beats(self, task_id: TaskId | None) -> AsyncGenerator[str]:
        """A `changed` event whenever anything has, or that one task; comments in between."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        yield BEAT
        async with aclosing(self._marks() if task_id is None else self._marks_of(task_id)) as marks:
            known = await anext(marks)
            async for mark in marks:
                if server_is_leaving():
                    return
                if mark != known:
                    yield event("changed", "now")
                    known, said = mark, loop.time()
                elif loop.time() - said >= HEARTBEAT:
                    yield BEAT
                    said = loop.time()

    async def _marks_of(self, task_id: TaskId) -> AsyncGenerator[object]:
        async with aclosing(self._house.watcher.follow(task_id)) as looks:
            async for task in looks:
                yield task

    async def _marks(self) -> AsyncGenerator[object]:
        while True:
            await self._look()
            yield self._mark

    async def _look_once(self) -> None:
        await asyncio.sleep(self._pause)
        loop = asyncio.get_running_loop()
        began, store = loop.time(), self._house.store
        try:
            census = await store.census()
            running = await store.find(Search(state=State.RUNNING), limit=RUNNING_SEEN)
            agenda = await store.agenda()
            tallies = await store.tallies()
        except StoreUnavailable:
            self._mark = None
            return
        self._census = loop.time(), census
        self._pause = max(PAUSE, (loop.time() - began) * SHARE)
        late = {worker for worker, tally in tallies.items() if tally.lag >= LATE}
        self._mark = (
            sorted(census.by_state.items()),
            sorted(census.waiting_by_queue.items()),
            sorted(census.held.items()),
            census.unknown_names,
            census.paused,
            [(worker.id, worker.leaving, worker.id in late) for worker in census.workers],
            [(task.id, task.run, task.progress, task.stop_asked) for task in running],
            [(one.name, one.last, one.paused, one.asked) for one in agenda.schedules],
        )
