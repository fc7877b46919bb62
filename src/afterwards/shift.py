"""One worker's time between signing on and signing off: its id, its lease, its lock.

A shift that is lost is over: the worker begins a new one under a new id. It claims and runs nothing itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from afterwards.counting import Counting, Sheet
from afterwards.errors import AfterwardsError
from afterwards.events import Events, LeaseWasLost, StoreAway, WorkerStarted, WorkerStopped
from afterwards.keeper import Keeper
from afterwards.life import ProofOfLife
from afterwards.processes.pool import PoolSize
from afterwards.quotas import Quota
from afterwards.store import Store
from afterwards.tasks import Claim, Note, WorkerCard, WorkerId

LAST_WORDS = 5.0  # seconds that the last settlements and the sign-off get when the store is away


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker serves and how much at once; `queues` is None for all."""

    queues: tuple[str, ...] | None
    concurrency: int
    threads: int
    pool: PoolSize
    lease: timedelta
    grace: timedelta
    retention: timedelta


class Shift:
    """Begun by `sign_on` in the worker's loop; `lost` and `asked_to_stop` are called in that loop, `notes` is not."""

    def __init__(
        self,
        store: Store,
        events: Events,
        life: ProofOfLife,
        options: WorkerOptions,
        *,
        open_store: Callable[[], Awaitable[None]],
        busy: Callable[[], bool],
        lost: Callable[[], None],
        asked_to_stop: Callable[[Sequence[Claim]], None],
        notes: Callable[[], Sequence[Note]],
        counting: Counting,
    ) -> None:
        self._store, self._events, self._life, self._options = store, events, life, options
        self._open_store, self._busy, self._lost, self._asked_to_stop = open_store, busy, lost, asked_to_stop
        self._notes, self._counting = notes, counting
        self._keeper: Keeper | None = None
        self._sheet: Sheet | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.worker: WorkerId | None = None
        self._declared: tuple[Quota, ...] = ()

    def has_declared(self, quotas: tuple[Quota, ...]) -> bool:
        """Whether the store knows that this worker declares these."""
        return self._declared == quotas

    async def sign_on(self, functions: tuple[str, ...], quotas: tuple[Quota, ...]) -> WorkerId:
        """Begin under a new id. Raises StoreUnavailable, StoreUnusable."""
        self._loop = asyncio.get_running_loop()
        worker = WorkerId(str(uuid4()))
        await self._open_store()
        self._life.prepare(self._store.identity)
        self._life.begin(worker)
        try:
            await self._store.sign_on(self._card(worker, functions, quotas))
        except BaseException:
            self._life.end(worker)
            raise
        self._declared = quotas
        self._keep(worker)
        options = self._options
        self._events.say(WorkerStarted(worker=worker, queues=options.queues, concurrency=options.concurrency))
        return worker

    async def declare(self, functions: tuple[str, ...], quotas: tuple[Quota, ...]) -> None:
        """Renew the card: a module that was imported since may declare more. Raises StoreUnavailable."""
        if self.worker is not None:
            await self._store.sign_on(self._card(self.worker, functions, quotas))
            self._declared = quotas

    async def sign_off(self, abandoned: Callable[[], int]) -> bool:
        """End the shift; what it still holds waits again. True if it stays on for `abandoned` threads of tasks.

        Then the keeper renews until those have ended, or the process has, and closes the store.
        """
        worker, keeper, sheet, left = self.worker, self._keeper, self._sheet, abandoned()
        if worker is None or keeper is None or sheet is None:
            return False
        try:
            async with asyncio.timeout(LAST_WORDS):
                if not left:  # a renewal after the sign-off would find no row, or open a store that was closed
                    await keeper.stopped(LAST_WORDS)
                tally = None if left else sheet.tally()  # else the keeper goes on to write it
                await self._store.sign_off(worker, leaving=left > 0, tally=tally)
        except (AfterwardsError, TimeoutError) as error:
            self._events.say(StoreAway(doing="sign off", error=error))
        self._events.say(WorkerStopped(worker=worker, abandoned=left))
        stays = left > 0 and keeper.stay(lambda: abandoned() > 0, partial(self._after_threads, worker, sheet))
        if stays:
            self.worker = self._keeper = None
        return stays

    def end(self) -> None:
        """No more signs of life under this id."""
        if self._keeper is not None:
            self._keeper.stop()
        if self.worker is not None:
            self._life.end(self.worker)
        self.worker = self._keeper = None

    def _keep(self, worker: WorkerId) -> None:
        self.worker = worker
        self._sheet = Sheet(self._counting, asyncio.get_running_loop())
        self._keeper = Keeper(
            self._store,
            self._events,
            worker,
            lease=self._options.lease,
            busy=self._busy,
            lost=partial(self._in_loop, self._end_lost, worker),
            asked_to_stop=partial(self._in_loop, self._asked_to_stop),
            notes=self._notes,
            sheet=self._sheet,
        )
        self._keeper.start()

    def _end_lost(self, worker: WorkerId) -> None:
        if worker == self.worker:
            self._events.say(LeaseWasLost(worker=worker))
            self.end()
            self._lost()

    def _in_loop(self, function: Callable[..., None], *args: object) -> None:
        """Called in the keeper's thread: go on in the worker's loop, unless that has ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    async def _after_threads(self, worker: WorkerId, sheet: Sheet) -> None:
        """In the keeper's thread. The house has left this store to us, and works with another."""
        await self._store.sign_off(worker, tally=sheet.tally())
        self._life.end(worker)
        await self._store.close()

    def _card(self, worker: WorkerId, functions: tuple[str, ...], quotas: tuple[Quota, ...]) -> WorkerCard:
        return WorkerCard(
            id=worker,
            host=self._life.host,
            pid=os.getpid(),
            label=socket.gethostname(),
            lease=self._options.lease,
            queues=self._options.queues,
            functions=functions,
            quotas=quotas,
        )
