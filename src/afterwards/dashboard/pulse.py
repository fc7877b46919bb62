"""Tells open pages that something has changed: one look at the store for all of them, and none when there are none."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from afterwards.errors import StoreUnavailable
from afterwards.house import House
from afterwards.leaving import server_is_leaving
from afterwards.looks import SharedLook
from afterwards.streaming import BEAT, HEARTBEAT, event
from afterwards.tasks import Census, Search, State, Task, TaskId

SEEN = "afterwards.seen"  # in a scope: what was known when its page was begun
PAUSE = 0.4  # seconds between glances
GLANCES = 100  # glances may take no more than one part in so many of the time
SHARE = 100  # and counting, which takes longer in a large store, one in so many
LONGEST_REST, LONGEST_COUNT_REST = 5.0, 30.0  # seconds: a store that was away or busy once is not asked less for long
NEWEST_SEEN = 20
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
        self._name = secrets.token_hex(4)  # for the numbers of another process mean something else
        self._number = 0
        self._mark: object = "not looked yet"
        self._whole: object = None
        self._rest, self._count_again = 0.0, 0.0
        self._look = SharedLook(self._look_once)
        self._counted: Counted | None = None
        self._changes = 0
        self._count = SharedLook(self._count_once)

    @property
    def seen(self) -> str:
        """What was known of the store at the last look: another text after each change."""
        return f"{self._name}-{self._number}"

    async def census(self) -> Census:
        """As it was a moment ago; of a store that takes long to count, a little longer ago."""
        return (await self.counted()).census

    async def counted(self) -> Counted:
        """The census, and when that was: it is kept for a second, or longer where counting takes long."""
        while (counted := self._counted) is None or not counted.is_fresh:
            await self._count()
        return counted

    def forget(self) -> None:
        """Something has just been changed from here: count anew."""
        self._counted, self._rest, self._count_again = None, 0.0, 0.0
        self._changes += 1

    async def beats(self, task_id: TaskId | None, seen: str) -> AsyncGenerator[str]:
        """A `changed` event whenever anything has, or that one task, since what was `seen`; comments in between.

        Without `seen`, since the first look.
        """
        loop = asyncio.get_running_loop()
        said = loop.time()
        yield BEAT
        async with aclosing(self._marks() if task_id is None else self._marks_of(task_id)) as marks:
            known = seen or await anext(marks)
            async for mark in marks:
                if server_is_leaving():
                    return
                if mark != known:
                    yield event("changed", "now")
                    known, said = mark, loop.time()
                elif loop.time() - said >= HEARTBEAT:
                    yield BEAT
                    said = loop.time()

    async def _marks_of(self, task_id: TaskId) -> AsyncGenerator[str]:
        async with aclosing(self._house.watcher.follow(task_id)) as looks:
            async for task in looks:
                yield mark_of(task)

    async def _marks(self) -> AsyncGenerator[str]:
        while True:
            await self._look()
            yield self.seen

    async def _count_once(self) -> None:
        if self._counted is None or not self._counted.is_fresh:  # or a look at the store came first
            await self._counted_anew()

    async def _counted_anew(self) -> Counted:
        began, changes = time.monotonic(), self._changes
        census = await self._house.store.census()
        at = time.monotonic()
        counted = Counted(census=census, at=at, until=at + max(FRESH, rest_after_count(at - began)))
        if changes == self._changes:  # else it may have been made before what has just been changed
            self._counted = counted
        return counted

    async def _look_once(self) -> None:
        await asyncio.sleep(max(self._rest, PAUSE))
        try:
            mark: object = (await self._glance(), await self._counting())
        except StoreUnavailable:
            mark = "away"
        self._number += mark != self._mark
        self._mark = mark

    async def _glance(self) -> object:
        """What stands at the top of most pages. It costs the same in a store of any size."""
        began, store = time.monotonic(), self._house.store
        newest = (await store.seek(Search(), states=tuple(State), limit=NEWEST_SEEN)).ids
        states = await store.states(newest)
        running = await store.find(Search(state=State.RUNNING), limit=RUNNING_SEEN)
        self._rest = min((time.monotonic() - began) * GLANCES, LONGEST_REST)
        return newest, states, [(task.id, task.run, task.progress, task.stop_asked) for task in running]

    async def _counting(self) -> object:
        """All the rest, where it is time for that again."""
        began, store = time.monotonic(), self._house.store
        if began < self._count_again:
            return self._whole
        census, agenda, tallies = (await self._counted_anew()).census, await store.agenda(), await store.tallies()
        now = time.monotonic()
        self._count_again = now + rest_after_count(now - began)
        late = {worker for worker, tally in tallies.items() if tally.lag >= LATE}
        self._whole = (
            sorted(census.by_state.items()),
            sorted(census.waiting_by_queue.items()),
            sorted(census.held.items()),
            census.unknown_names,
            census.paused,
            [(worker.id, worker.leaving, worker.id in late) for worker in census.workers],
            [(one.name, one.last, one.paused, one.asked) for one in agenda.schedules],
        )
        return self._whole


def rest_after_count(took: float) -> float:
    """Seconds until it is worth counting again, where that `took` so many."""
    return min(took * SHARE, LONGEST_COUNT_REST)


def mark_of(task: Task | None) -> str:
    """Another text after each change of a task that its page shows."""
    if task is None:
        return "gone"
    parts = (task.state, task.run, task.attempt, task.due, task.held, task.stop_asked, task.progress, len(task.logs))
    return blake2b(repr(parts).encode(errors="backslashreplace"), digest_size=9).hexdigest()
