"""Tells open pages that something has changed: one look at the store for all of them, and none when there are none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A census, by the clock of this process: when it was made, and until when it is good enough."""

    census: Census
    at: float
    until: float

    @property
    def is_fresh(self) -> bool:
        """Nobody need count again."""
        return time.monotonic() < self.until

    @property
    def now(self) -> datetime:
        """The store's now, as far as one can tell without asking."""
        return self.census.now + timedelta(seconds=time.monotonic() - self.at)


class Pulse:
    """Looks for all open pages of one process."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._mark: object = None
        self._rest = 0.0
        self._look = SharedLook(self._look_once)
        self._counted: Counted | None = None
        self._changes = 0
        self._count = SharedLook(self._count_once)

    async def census(self) -> Census:
        """As it was a moment ago; of a store that takes long to count, a little longer ago."""
        return (await self.counted()).census

    async def counted(self) -> Counted:
        """The census, and when that was: it is kept for a second, or `SHARE` times as long as counting took."""
        while (counted := self._counted) is None or not counted.is_fresh:
            await self._count()
        return counted

    def forget(self) -> None:
        """Something has just been changed from here: count anew."""
        self._counted, self._rest = None, 0.0
        self._changes += 1

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

    async def _count_once(self) -> None:
        if self._counted is None or not self._counted.is_fresh:  # or a look at the store came first
            await self._counted_anew()

    async def _counted_anew(self) -> Counted:
        began, changes = time.monotonic(), self._changes
        census = await self._house.store.census()
        at = time.monotonic()
        counted = Counted(census=census, at=at, until=at + max(FRESH, (at - began) * SHARE))
        if changes == self._changes:  # else it may have been made before what has just been changed
            self._counted = counted
        return counted

    async def _look_once(self) -> None:
        rest = min(self._rest, HEARTBEAT)
        await asyncio.sleep(max(rest, PAUSE))
        self._rest -= rest
        if self._rest > 0:  # too early to ask the store again, but time to say that the stream is there
            return
        loop = asyncio.get_running_loop()
        began, store = loop.time(), self._house.store
        try:
            census = (await self._counted_anew()).census
            running = await store.find(Search(state=State.RUNNING), limit=RUNNING_SEEN)
            agenda = await store.agenda()
            tallies = await store.tallies()
        except StoreUnavailable:
            self._mark = None
            return
        self._rest = (loop.time() - began) * SHARE
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
