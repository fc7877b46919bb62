"""Opens, holds and closes the store, the registry and the worker; every door is written against it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from weakref import WeakSet

from afterwards.alongside import working_alongside
from afterwards.batch import Batch, Taker, TaskHandle, WhenUnnameable
from afterwards.chains import Chained, Part
from afterwards.counting import Counting
from afterwards.done_in import InOwnTransaction
from afterwards.elsewhere import run_elsewhere
from afterwards.errors import StoreUnavailable, StoreUnusable, UnknownTask
from afterwards.events import Events, NobodyWorks, StoreAway, StoreOpened
from afterwards.handoff import HandOff
from afterwards.hooks import FailureHooks
from afterwards.idempotency import RequestKey
from afterwards.joining import Joining
from afterwards.life import ProofOfLife
from afterwards.notes import Notes
from afterwards.options import CallOptions
from afterwards.registry import Registry
from afterwards.retries import Retry
from afterwards.runner import Runner
from afterwards.shift import WorkerOptions
from afterwards.solving import Solver
from afterwards.store import Store
from afterwards.stores import store_for
from afterwards.tasks import Search, State, Task, TaskId
from afterwards.timetable import Timetable
from afterwards.tracing import UNTRACED, Tracing
from afterwards.waiting import Waiting
from afterwards.watching import Watcher
from afterwards.worker import Worker

_DRAIN_PAUSE, _TIMES_AS_LONG = 0.01, 5  # seconds; and a pause is so many times longer than the count before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a house is built from."""

    url: str
    worker: bool
    options: WorkerOptions
    retry: Retry
    max_bytes: int
    when_unnameable: WhenUnnameable | None
    add_timeout: timedelta
    migrate: bool = True
    idempotency_header: str | None = None
    idempotency_for: timedelta = timedelta(days=1)


_houses: WeakSet[House] = WeakSet()


def houses() -> list[House]:
    """Those of this process, for code that has only imported what made them."""
    return list(_houses)


class House:
    """One store with its functions, its events and at most one worker in this process.

    `solver` makes what solves the dependencies of tasks, when the first function asks for it.
    """

    def __init__(self, settings: Settings, solver: Callable[[House], Solver], tracing: Tracing = UNTRACED) -> None:
        self.settings = settings
        self.tracing = tracing
        self.events = Events()
        self.timetable = Timetable()
        self.failure_hooks = FailureHooks(self.events)
        self._counting = Counting(self.events)
        self.solver = cache(partial(solver, self))
        self.registry = Registry(
            retry=settings.retry, max_bytes=settings.max_bytes, check=lambda some: self.solver().check(some)
        )
        self._waiting = Waiting(lambda: self.store)
        self._workers: list[Worker] = []  # one for each event loop in which an app of this house runs
        self._openers = 0
        self._opened = self._said_opened = self._said_nobody_works = False
        self.has_app = False
        self._takers: list[Taker] = []
        self._take_store()
        self.watcher = Watcher(lambda ids: self.store.find(Search(ids=ids), limit=len(ids)))
        _houses.add(self)

    # Opening and closing

    @property
    def is_open(self) -> bool:
        """An app, or whoever opened it, has not closed it yet."""
        return self._opened

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """The store is open inside the block; the first of several blocks opens it, the last to end closes it.

        Raises StoreUnusable when no waiting would cure it.
        """
        self._openers += 1
        try:
            if not self._opened:
                await self.open()
            yield
        finally:
            self._openers -= 1
            if self._opened and self._openers == 0:
                await self.close()

    async def open(self) -> None:
        """Open the store. One that is away for now is only said: adds answer 503 until it is back.

        Raises StoreUnusable when no waiting would cure it; then the house is closed.
        """
        self._opened = True
        if self._is_test():
            return
        try:
            await self._open_store()
        except BaseException as error:
            if not isinstance(error, StoreUnavailable) or isinstance(error, StoreUnusable):
                await self.close()
                raise
            self.events.say(StoreAway(doing="open", error=error))

    async def close(self) -> None:
        """Close the store; an add opens it again."""
        self._opened = self._said_opened = False
        await self.store.close()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[Worker | None]:
        """A worker runs inside the block, if one is wanted and this event loop has none; it has stopped at the end."""
        if not self.settings.worker or self._worker_here() is not None or self._is_test():
            yield None
            return
        worker = self.new_worker()
        self._workers.append(worker)
        try:
            async with self._at_work(worker):
                yield worker
        finally:
            self._workers.remove(worker)

    def new_worker(self, options: WorkerOptions | None = None) -> Worker:
        """A worker on this house's store, not yet running."""
        return Worker(
            self.store,
            self.registry,
            self.events,
            ProofOfLife(),
            options or self.settings.options,
            open_store=self._open_store,
            solver=self.solver,
            joining=self.joining,
            timetable=self.timetable,
            failure_hooks=self.failure_hooks,
            url=self.settings.url,
            tracing=self.tracing,
            settled=self._waiting.settled,
            counting=self._counting,
        )

    def new_runner(
        self,
        events: Events,
        joining: InOwnTransaction | None,
        *,
        tracing: Tracing = UNTRACED,
        notes: Notes | None = None,
    ) -> Runner:
        """What runs single tasks of this house, where there is no worker."""
        return Runner(
            self.registry,
            events,
            threads=self.settings.options.threads,
            solver=self.solver,
            joining=joining,
            tracing=tracing,
            notes=notes,
        )

    # Adding

    @contextmanager
    def taking(self, taker: Taker) -> Generator[None]:
        """Inside the block `taker` takes what is added, in place of the store."""
        self.take_by(taker)
        try:
            yield
        finally:
            self._takers.remove(taker)

    def take_by(self, taker: Taker) -> None:
        """From now on `taker` takes what is added, in place of the store."""
        self._takers.append(taker)

    def batch(
        self, when_unnameable: WhenUnnameable = WhenUnnameable.RAISE, request_key: RequestKey | None = None
    ) -> Batch:
        """A batch for one request, or for one add outside of any; what the user set goes before what a door wishes."""
        when = self.settings.when_unnameable or when_unnameable
        return Batch(self.registry, self._takers[-1], when, self.tracing, request_key)

    async def add(
        self,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        options: CallOptions,
    ) -> TaskHandle:
        """Store one call now; it may start at once. With a `transaction`, let that store it."""
        if options.transaction is not None:
            if not self._is_test():
                call = self.tracing.added(self.registry.call(function, args, kwargs, options))
                await self.joining.join_awaited(call, options.transaction)
                return TaskHandle(id=call.id)
            options = replace(options, transaction=None)
        handle = (batch := self.batch()).add(function, args, kwargs, options)
        await batch.send_off()
        return handle

    async def add_chain(self, part: Part) -> Chained:
        """Store a chain or group now; its first tasks may start at once."""
        chained = (batch := self.batch()).add_chain(part)
        await batch.send_off()
        return chained

    def add_sync(
        self,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        options: CallOptions,
    ) -> TaskHandle:
        """The same for code that cannot await; a transaction is written to in the calling thread, which owns it."""
        if options.transaction is None or self._is_test():
            return run_elsewhere(lambda: self.add(function, args, kwargs, options))
        call = self.tracing.added(self.registry.call(function, args, kwargs, options))
        self.joining.join(call, options.transaction)
        return TaskHandle(id=call.id)

    def _worker_for_add(self) -> Worker | None:
        """The worker that an add may hand its tasks to; says once when there is none and nobody said why."""
        if self.has_app and not self._opened and self.settings.worker and not self._said_nobody_works:
            self._said_nobody_works = True
            self.events.say(NobodyWorks())
        return self._worker_here()

    def _worker_here(self) -> Worker | None:
        return next((worker for worker in self._workers if worker.is_here), None)

    def _is_test(self) -> bool:
        """Somebody else takes what is added, so that the store is left alone."""
        return len(self._takers) > 1

    @asynccontextmanager
    async def _at_work(self, worker: Worker) -> AsyncGenerator[None]:
        try:
            async with working_alongside(worker):
                yield
        finally:
            if worker.leaving:  # threads of it go on, and close the store after them: that one is theirs now
                self._take_store()

    def _take_store(self) -> None:
        settings = self.settings
        self.store: Store = store_for(settings.url, add_timeout=settings.add_timeout, migrate=settings.migrate)
        self.joining = Joining(self.store, self.events)
        self._takers[:1] = [HandOff(self.store, self.events, self._worker_for_add, self.joining, self.tracing)]

    async def _open_store(self) -> None:
        """Open it and say so once; also when it was away at first and the worker opens it in the end."""
        await self.store.open()
        if not self._said_opened:
            self._said_opened = True
            description, warnings = self.store.description, tuple(self.store.warnings())
            self.events.say(StoreOpened(description=description, worker=self.settings.worker, warnings=warnings))

    # Looking

    async def get(self, task_id: TaskId) -> Task:
        """The task as it stands. Raises UnknownTask."""
        found = await self.store.find(Search(ids=(task_id,)), limit=1)
        if not found:
            raise UnknownTask(task_id)
        return self.registry.with_result(found[0])

    async def find(self, search: Search, *, limit: int, after: TaskId | None = None) -> list[Task]:
        """Tasks that match, newest first, with their results."""
        found = await self.store.find(search, limit=limit, after=after)
        return [self.registry.with_result(task) for task in found]

    async def wait(self, ids: Sequence[TaskId], *, timeout: timedelta | None) -> list[Task]:
        """These tasks once they have ended, in their order. Raises TimeoutError, UnknownTask."""
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            return [self.registry.with_result(task) for task in await self._waiting.ended(ids)]

    async def drain(self) -> None:
        """Run everything that is due, and what that adds, then return. Works beside a running worker or without."""
        options = self.settings.options
        if self._is_test():
            return
        if self._workers and options.queues is None:
            await self._until_drained()
            return
        async with self._at_work(self.new_worker(replace(options, queues=None))):
            await self._until_drained()

    async def _until_drained(self) -> None:
        while True:
            began = time.monotonic()
            census = await self.store.census()
            if not census.waiting_due and not census.by_state.get(State.RUNNING, 0):
                return
            took = time.monotonic() - began
            await asyncio.sleep(max(_DRAIN_PAUSE, took * _TIMES_AS_LONG))
