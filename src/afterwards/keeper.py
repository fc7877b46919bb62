"""Keeps a worker alive in the eyes of others, from a thread of its own; hears cancellations, tells how far tasks are.

With each renewal goes what the worker has counted.

Its own thread, so that a task which blocks the event loop does not cost the worker its lease: a hung task is for its
own timeout to catch, not for the lease. It runs nothing and settles nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from afterwards.clocks import Clocks
from afterwards.counting import Sheet
from afterwards.errors import StoreUnavailable
from afterwards.events import Events, LoopFailed, Presence
from afterwards.store import Store
from afterwards.tasks import Claim, Note, WorkerId

ROUND = 0.5  # seconds between two looks at the cancellations
RENEWALS_PER_LEASE = 3


class Keeper:
    """Renews one worker's lease until told to stop.

    `lost`, `asked_to_stop`, and `notes`, which gives what is to be noted, are called in this keeper's thread.
    """

    def __init__(
        self,
        store: Store,
        events: Events,
        worker: WorkerId,
        *,
        lease: timedelta,
        busy: Callable[[], bool],
        lost: Callable[[], None],
        asked_to_stop: Callable[[Sequence[Claim]], None],
        notes: Callable[[], Sequence[Note]],
        sheet: Sheet,
    ) -> None:
        self._store = store
        self._events = events
        self._presence = Presence(events, "renew")
        self._worker = worker
        self._lease = lease
        self._busy = busy
        self._lost = lost
        self._asked_to_stop = asked_to_stop
        self._notes = notes
        self._sheet = sheet
        self._every = lease.total_seconds() / RENEWALS_PER_LEASE
        self._renew_at = time.monotonic() + self._every
        self._clocks = Clocks()
        self._staying: tuple[Callable[[], bool], Callable[[], Awaitable[None]]] | None = None
        self._is_lost = False
        self._deciding = threading.Lock()  # whether a loss or `stay` came first
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"afterwards-keeper-{worker[:8]}", daemon=True)

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def stop(self) -> None:
        """Stop keeping; returns at once."""
        self._stopping.set()

    async def stopped(self, timeout: float) -> None:
        """Stop keeping, and wait until nothing is renewed any more: at most `timeout` seconds."""
        self.stop()
        await asyncio.to_thread(self._thread.join, timeout)

    def stay(self, still_running: Callable[[], bool], finish: Callable[[], Awaitable[None]]) -> bool:
        """Keep on after the worker has left, while threads that nothing can stop still run its tasks; then finish.

        False when the lease was lost before that, and nothing is kept any more.
        """
        with self._deciding:
            if not self._is_lost:
                self._staying = still_running, finish
                self._renew_at = time.monotonic()  # what was counted until now: the process may end at any time
            return not self._is_lost

    def _run(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        """One loop: renew when it is time, hear who is to stop, note how far others are, sleep a round."""
        while not self._stopping.is_set():
            try:
                self._sheet.look()
                if await self._is_over():
                    break
                await self._hear()
                await self._note()
                self._presence.back()
            except StoreUnavailable as error:
                self._presence.away(error)
            except Exception as error:  # whatever it was, the lease must be renewed next round
                self._events.say(LoopFailed(loop="keeper", error=error))
            self._stopping.wait(min(ROUND, self._every))  # blocks this thread's own loop, which has nothing else to do

    async def _is_over(self) -> bool:
        if self._staying is not None and not self._staying[0]():
            await self._staying[1]()
            return True
        if not await self._renewed_and_lost():
            return False
        with self._deciding:
            self._is_lost = self._staying is None
        if self._staying is None:
            self._lost()
        else:  # others have its tasks: there is nothing to stay for
            await self._staying[1]()
        return True

    async def _renewed_and_lost(self) -> bool:
        if self._clocks.jumped():  # by the store's clock the lease may be over: quick, before somebody believes it
            self._renew_at = time.monotonic()
        if time.monotonic() < self._renew_at:
            return False
        renewal = await self._store.renew(self._worker, lease=self._lease, tally=self._sheet.tally())
        self._renew_at = time.monotonic() + self._every
        return renewal.lost and not self._stopping.is_set()

    async def _hear(self) -> None:
        if self._busy():
            claims = await self._store.cancellations(self._worker)
            if claims:
                self._asked_to_stop(claims)

    async def _note(self) -> None:
        """Not again what could not be written: a newer one comes, or the outcome, and tells the same."""
        notes = self._notes()
        if notes:
            await self._store.note(notes)
