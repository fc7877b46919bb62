"""Keeps a worker alive in the eyes of others, from a thread of its own; hears cancellations.

Its own thread, so that a task which blocks the event loop does not cost the worker its lease: a hung task is for its
own timeout to catch, not for the lease. It runs nothing and settles nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from afterwards.errors import StoreUnavailable
from afterwards.events import Events, LoopFailed, Presence
from afterwards.store import Store
from afterwards.tasks import Claim, WorkerId

ROUND = 0.5  # seconds between two looks at the cancellations
RENEWALS_PER_LEASE = 3


class Keeper:
    """Renews one worker's lease until told to stop.

    `lost` and `asked_to_stop` are called in this keeper's thread.
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
    ) -> None:
        self._store = store
        self._events = events
        self._presence = Presence(events, "renew")
        self._worker = worker
        self._lease = lease
        self._busy = busy
        self._lost = lost
        self._asked_to_stop = asked_to_stop
        self._every = lease.total_seconds() / RENEWALS_PER_LEASE
        self._renewed = time.monotonic()
        self._still_running: Callable[[], bool] | None = None
        self._finish: Callable[[], Awaitable[None]] = _nothing
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"afterwards-keeper-{worker[:8]}", daemon=True)

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def stop(self) -> None:
        """Stop keeping; returns at once."""
        self._stopping.set()

    def stay(self, still_running: Callable[[], bool], finish: Callable[[], Awaitable[None]]) -> None:
        """Keep on after the worker has left, while threads that nothing can stop still run its tasks; then finish."""
        self._still_running, self._finish = still_running, finish

    def _run(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        """One loop: renew when it is time, hear who is to stop, sleep a round."""
        while not self._stopping.is_set():
            try:
                if await self._is_over():
                    break
                await self._hear()
                self._presence.back()
            except StoreUnavailable as error:
                self._presence.away(error)
            except Exception as error:  # whatever it was, the lease must be renewed next round
                self._events.say(LoopFailed(loop="keeper", error=error))
            self._stopping.wait(min(ROUND, self._every))  # blocks this thread's own loop, which has nothing else to do

    async def _is_over(self) -> bool:
        if self._still_running is not None and not self._still_running():
            await self._finish()
            return True
        if await self._renewed_and_lost():
            self._lost()
            return True
        return False

    async def _renewed_and_lost(self) -> bool:
        if time.monotonic() - self._renewed < self._every:
            return False
        renewal = await self._store.renew(self._worker, lease=self._lease)
        self._renewed = time.monotonic()
        return renewal.lost and not self._stopping.is_set()

    async def _hear(self) -> None:
        if self._busy():
            claims = await self._store.cancellations(self._worker)
            if claims:
                self._asked_to_stop(claims)


async def _nothing() -> None:
    """What there is to finish while the worker has not left."""
