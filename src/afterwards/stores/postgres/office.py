"""A thread with an event loop of its own, in which all connections of a store live, whatever loop asks.

So a blocked event loop costs no lease, what several loops ask is gathered into one write, and no connection has to
end with its loop. Before a fork the loop is closed with all that is in it, and another is opened afterwards.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from functools import partial

from afterwards.asking import Tray, deliver
from afterwards.bell import Bell
from afterwards.errors import StoreUnavailable
from afterwards.stores.postgres.base import Base
from afterwards.stores.postgres.desk import Desk
from afterwards.stores.postgres.errands import Counter, Errand
from afterwards.stores.postgres.link import OF_PEOPLE, OF_WORKERS, Link
from afterwards.stores.postgres.notices import Notices

_PARKING_TAKES_AT_MOST = 10.0
_DURABLE = {Counter.ADD, Counter.LOOK}
# Seconds that the server gets at least, however soon the caller's time is over: a search may look at millions.
_SLOWEST = {Counter.ADD: 1.0, Counter.WORK: 5.0, Counter.WATCH: 2.0, Counter.LOOK: 30.0}


class _Park:
    """Asks the thread to close its loop and to stand still, since the process is about to fork."""

    def __init__(self) -> None:
        self.standing = threading.Event()
        self.onward = threading.Event()


class Office:
    """Started by the first errand. After `close` errands fail with StoreUnavailable."""

    def __init__(self, base: Base) -> None:
        self.bell = Bell()
        self._base = base
        self._changing = threading.Lock()
        self._inbox: list[Errand] = []
        self.tray = Tray[Errand](self.hand_in)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._desks: dict[Counter, Desk] = {}
        self._parked: _Park | None = None
        self._closed = False
        self.has_worked = False
        self._notices: Notices | None = None
        self._owes_notice = False

    def hand_in(self, errands: list[Errand]) -> None:
        """Leave errands; from any thread."""
        with self._changing:
            if not self._closed:
                self.has_worked |= any(errand.verb.counter is Counter.WORK for errand in errands)
                is_first = not self._inbox
                self._inbox.extend(errands)
                self._start()
                if self._loop is not None and is_first:
                    self._loop.call_soon_threadsafe(self._sort)
                return
        for errand in errands:
            errand.error = StoreUnavailable("the store was closed at this moment: try again, which opens it anew")
        deliver(errands)

    def ring(self) -> None:
        """A transaction of somebody else's has been committed, with tasks: wake who waits. From any thread."""
        self.bell.ring()
        with self._changing:
            if self._loop is not None and self._notices is not None:
                self._loop.call_soon_threadsafe(self._notices.owe)
            elif not self._closed:  # nothing has been asked for since a fork, or the thread stands still for one
                self._owes_notice = True
                self._start()

    def close(self) -> None:
        """Work off what was handed in, let go and end the thread. Blocks."""
        with self._changing:
            self._closed = True
            thread, self._thread = self._thread, None
            self._end_hours()
        if thread is not None:
            thread.join()

    def park(self) -> None:
        """Return when all connections are closed and the thread stands still; not for ever, if it cannot."""
        with self._changing:
            if self._thread is None:
                return
            self._parked = park = _Park()
            self._end_hours()
        park.standing.wait(_PARKING_TAKES_AT_MOST)

    def unpark(self) -> None:
        """Go on."""
        parked, self._parked = self._parked, None
        if parked is not None:
            parked.onward.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="afterwards-postgres", daemon=True)
            self._thread.start()

    def _end_hours(self) -> None:
        """While `_changing` is held, so that the loop is not closed meanwhile."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)

    # In the thread

    def _run(self) -> None:
        while True:
            asyncio.run(self._hours())
            park = self._parked
            if park is not None:
                park.standing.set()
                park.onward.wait()
            elif self._closed:
                return

    async def _hours(self) -> None:
        """Work until the store is closed or the process forks."""
        self._over = asyncio.Event()
        notices = self._notices = Notices(self.hand_in, lambda: self._base.channel)
        self._desks = {counter: self._desk(counter, notices) for counter in Counter}
        async with asyncio.TaskGroup() as group:
            actors = [group.create_task(desk.run()) for desk in self._desks.values()]
            actors.append(group.create_task(notices.run()))
            self._begin()
            await self._over.wait()
            self._finish()
            for desk in self._desks.values():
                await desk.finish()
            for actor in actors:
                actor.cancel()
        for desk in self._desks.values():
            await desk.let_go()

    def _begin(self) -> None:
        with self._changing:
            self._loop = asyncio.get_running_loop()
            if self._closed or self._parked is not None:
                self._over.set()
            if self._owes_notice and self._notices is not None:
                self._owes_notice = False
                self._notices.owe()
        self._sort()

    def _finish(self) -> None:
        """From now on errands wait for the next loop."""
        self._sort()
        with self._changing:
            self._loop = None

    def _sort(self) -> None:
        with self._changing:
            errands, self._inbox = self._inbox, []
        by_counter: dict[Counter, list[Errand]] = defaultdict(list)
        for errand in errands:
            by_counter[errand.verb.counter].append(errand)
        for counter, some in by_counter.items():
            self._desks[counter].take(some)

    def _desk(self, counter: Counter, notices: Notices) -> Desk:
        prepare = self._base.prepare
        if counter is Counter.WATCH:
            prepare = partial(self._base.prepare_to_listen, heard=self.bell.ring)
        settings = OF_PEOPLE if counter is Counter.LOOK else OF_WORKERS
        link = Link(self._base.address, durable=counter in _DURABLE, settings=settings, prepare=prepare)
        return Desk(link, self._base, slowest=_SLOWEST[counter], ring=partial(self._ring, notices))

    def _ring(self, notices: Notices) -> None:
        self.bell.ring()
        notices.owe()
