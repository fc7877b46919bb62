"""The loop: claim while there is room, run, settle.

A worker lives in one event loop. It takes tasks from the store and, by hand-off, straight from the requests of its own
process; it never waits for a task before it looks for the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from afterwards import outcomes
from afterwards.chance import jittered
from afterwards.counting import Counting
from afterwards.done_in import InOwnTransaction
from afterwards.errors import StoreUnavailable
from afterwards.events import Events, LoopFailed, Presence
from afterwards.formers import Formers
from afterwards.hooks import FailureHooks
from afterwards.janitor import Janitor
from afterwards.life import ProofOfLife
from afterwards.notes import Notes
from afterwards.outcomes import Ending, Outcome
from afterwards.processes.isolation import Isolation
from afterwards.processes.pool import Pool
from afterwards.registry import Registry
from afterwards.roll_call import RollCall
from afterwards.runner import Runner
from afterwards.runs import Runs
from afterwards.settler import Settler
from afterwards.shift import LAST_WORDS, Shift, WorkerOptions
from afterwards.slots import Slots
from afterwards.solving import Solver
from afterwards.store import Store
from afterwards.tasks import NO_DELAY, Claim, Search, Task, TaskId, WorkerId
from afterwards.timetable import Ticker, Timetable
from afterwards.tracing import Tracing

POLL = 1.0  # seconds, jittered: every wake-up is only a hint, this stands behind it
_STILL_RUNNING_HERE = timedelta(seconds=1)


class Worker:
    """Claims and runs tasks until it is stopped."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        events: Events,
        life: ProofOfLife,
        options: WorkerOptions,
        *,
        open_store: Callable[[], Awaitable[None]],
        solver: Callable[[], Solver],
        joining: InOwnTransaction,
        timetable: Timetable,
        failure_hooks: FailureHooks,
        url: str,
        tracing: Tracing,
        settled: Callable[[Sequence[Outcome]], None],
        counting: Counting,
    ) -> None:
        self._store, self._registry, self._events, self._options = store, registry, events, options
        self._presence, self._slots = Presence(events, "claim"), Slots(options.concurrency)
        self._pool, self._notes, self._tell_settled = Pool(registry.isolated_modules, options.pool), Notes(), settled
        self._runner = self._new_runner(url, solver, joining, tracing)
        self._runs = Runs(self._runner, self._slots, events, failure_hooks, self._notes, ended=self._ended)
        self._settler = Settler(store, events, is_idle=self._slots.is_idle, settled=self._settled)
        self._janitor = self._new_janitor(life, failure_hooks, timetable)
        self._shift = self._new_shift(life, open_store, counting)
        self._unknown, self._heads, self._suspects = set[str](), set[TaskId](), set[TaskId]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._nap: asyncio.Timeout | None = None
        self._room_made, self._stopping = asyncio.Event(), asyncio.Event()
        self._resting = self.leaving = False  # leaving: it has stopped, but threads of it still need the store

    async def run(self) -> None:
        """Work until `stop`; then let what runs finish within `grace`, give the rest back, and sign off."""
        self._loop, self._context = asyncio.get_running_loop(), contextvars.copy_context()
        self._thread = threading.get_ident()
        try:
            async with asyncio.TaskGroup() as self._group:
                self._pool.begin(self._group)
                settling = self._group.create_task(self._settler.run())
                others = [self._group.create_task(self._claim_for_ever()), self._group.create_task(self._janitor.run())]
                await self._stopping.wait()
                for other in others:
                    other.cancel()
                await self._finish()
                await self._pool.end()
                settling.cancel()
                self.leaving = await self._shift.sign_off(self._left_behind)
        finally:
            self._shift.end()

    def stop(self) -> None:
        """Begin to stop; `run` returns when it is done."""
        self._stopping.set()

    async def rest(self) -> None:
        """Claim nothing more from now on; returns when nothing runs any more, however long that takes."""
        self._resting = True
        self._settler.claims_for = None
        while not self._slots.is_idle():
            await self._wait_for_room()

    def _new_runner(
        self, url: str, solver: Callable[[], Solver], joining: InOwnTransaction, tracing: Tracing
    ) -> Runner:
        isolation = Isolation(self._registry, self._pool, url, joining.is_settled)
        runner = partial(Runner, self._registry, self._events, threads=self._options.threads, isolation=isolation)
        formers = Formers(self._registry, lambda ids: self._store.find(Search(ids=tuple(ids)), limit=len(ids)))
        return runner(solver=solver, joining=joining, tracing=tracing, notes=self._notes, complete=formers.complete)

    def _new_shift(self, life: ProofOfLife, open_store: Callable[[], Awaitable[None]], counting: Counting) -> Shift:
        return Shift(
            self._store,
            self._events,
            life,
            self._options,
            open_store=open_store,
            busy=self._is_busy,
            lost=self._drop_everything,
            asked_to_stop=self._runs.stop,
            notes=self._notes.take,
            counting=counting,
        )

    def _new_janitor(self, life: ProofOfLife, failure_hooks: FailureHooks, timetable: Timetable) -> Janitor:
        return Janitor(
            self._store,
            self._events,
            life,
            failure_hooks,
            lease=self._options.lease,
            retention=self._options.retention,
            knows=self._knows,
            ticker=Ticker(self._store, timetable, self._registry, self._events),
            roll_call=RollCall(
                self._store,
                self._events,
                lease=self._options.lease,
                worker=lambda: self._shift.worker,
                known=lambda: [*self._slots.claims(), *self._settler.claims()],
                give_back=self._give_back,
            ),
        )

    # Hand-off: the requests of this process give their tasks straight to the worker

    @property
    def is_here(self) -> bool:
        """Whether the calling code runs in this worker's own event loop; elsewhere nothing here may be touched."""
        return self._thread == threading.get_ident() and self._loop is not None and self._loop.is_running()

    def promise(self, count: int) -> WorkerId | None:
        """Keep room for `count` tasks that are about to be added; the id to claim them by, None if there is no room."""
        if self._is_ending() or self._shift.worker is None or not self._slots.promise(count):
            return None
        return self._shift.worker

    def unpromise(self, count: int) -> None:
        """The add has answered: the room is free for what it claimed."""
        self._slots.unpromise(count)

    def hold_back(self, ids: Iterable[TaskId]) -> None:
        """None of these starts here before `let_go`: their response is still to be sent."""
        self._slots.hold_back(ids)

    def expect_followers(self, heads: Iterable[TaskId]) -> None:
        """These were claimed here, and others wait for them: their outcomes are settled at once."""
        self._heads.update(heads)

    def let_go(self, ids: Iterable[TaskId]) -> None:
        """Their response has been sent: those that were claimed meanwhile start, as far as there is room."""
        self.accept(self._slots.let_go(ids))

    def accept(self, tasks: Iterable[Task]) -> None:
        """Start tasks that are claimed for this worker, as soon as they may start; what finds no room is given back.

        A claim asks for the room there is, but hand-offs and followers may take it before the claim is back.
        """
        for task in tasks:
            if self._is_ending():
                self._give_back([task.claim])
            elif self._slots.park(task):
                continue
            elif self._slots.room <= 0:
                self._give_back([task.claim])
            elif not self._runs.begin(task, self._group, self._context.copy()):
                self._give_back([task.claim], _STILL_RUNNING_HERE)

    # Claiming

    async def _claim_for_ever(self) -> None:
        while True:
            try:
                await self._claim_once()
                self._presence.back()
            except StoreUnavailable as error:
                self._presence.away(error)
                await asyncio.sleep(jittered(POLL))
            except Exception as error:  # whatever it was, the next round may succeed
                self._events.say(LoopFailed(loop="claim", error=error))
                await asyncio.sleep(jittered(POLL))

    async def _claim_once(self) -> None:
        worker = self._shift.worker or await self._sign_on()
        if not self._shift.has_declared(quotas := self._registry.quotas()):
            await self._shift.declare(self._registry.known_names(), quotas)
        self._give_back(task.claim for task in self._slots.overdue())
        room = self._room()
        if room <= 0:
            await self._wait_for_room()
            return
        suspects = self._may_take_suspect()
        tasks = await self._store.claim(worker, limit=room, suspects=suspects, unknown=self._unknown)
        self.accept(tasks)
        if len(tasks) < room:
            await self._wait_for_tasks(worker, suspects=self._may_take_suspect())

    async def _sign_on(self) -> WorkerId:
        worker = await self._shift.sign_on(self._registry.known_names(), self._registry.quotas())
        self._settler.claims_for = None if self._resting else worker
        return worker

    def _may_take_suspect(self) -> bool:
        """One at a time; and the one before has to be settled, or a crash of the next would be laid at its door too."""
        return not self._suspects and not self._slots.runs_suspect()

    def _room(self) -> int:
        """Outcomes that wait for the store count too, so that a slow store slows the claiming."""
        if self._resting:
            return 0
        return min(self._slots.room, 2 * self._options.concurrency - self._settler.pending)

    async def _wait_for_tasks(self, worker: WorkerId, *, suspects: bool) -> None:
        try:
            async with asyncio.timeout(None) as self._nap:
                await self._store.wait(worker, timeout=jittered(POLL), suspects=suspects, unknown=self._unknown)
        except TimeoutError:
            return
        finally:
            self._nap = None

    def _wake(self) -> None:
        """End the wait for tasks: something has changed here that the store cannot know."""
        if self._nap is not None and self._loop is not None and not self._nap.expired():
            self._nap.reschedule(self._loop.time())

    async def _wait_for_room(self) -> None:
        self._room_made.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(jittered(POLL)):
                await self._room_made.wait()

    def _knows(self, name: str) -> bool:
        known = self._registry.knows(name)
        if known:
            self._unknown.discard(name)
        return known

    # Running

    def _is_busy(self) -> bool:
        return len(self._runs) > 0

    def _is_ending(self) -> bool:
        return self._resting or self._stopping.is_set()

    def _ended(self, task: Task, outcome: Outcome | None) -> None:
        if outcome is not None:
            if outcome.ending is Ending.UNKNOWN:
                self._unknown.add(task.name)
            if task.suspect:
                self._suspects.add(task.id)
            hurry = task.suspect or task.after is not None or task.id in self._heads
            self._settler.put(outcome, hurry=hurry)
        self._heads.discard(task.id)
        self._room_made.set()

    def _settled(self, done: Sequence[Outcome], followers: Sequence[Task]) -> None:
        if self._suspects:
            self._suspects.difference_update(outcome.claim.id for outcome in done)
            self._wake()  # the next suspect may run
        self.accept(followers)
        self._tell_settled(done)
        self._room_made.set()

    def _give_back(self, claims: Iterable[Claim], delay: timedelta = NO_DELAY) -> None:
        for claim in claims:
            self._heads.discard(claim.id)
            self._settler.put(outcomes.returned(claim, delay))

    # Stopping

    def _left_behind(self) -> int:
        """How many tasks still run although the worker is done: in threads, or deaf to their cancellation."""
        return len(self._runner.in_threads) + len(self._runs)

    def _drop_everything(self) -> None:
        """The lease was lost: others have these tasks now."""
        self._settler.claims_for = None
        self._slots.all_parked()
        self._runs.drop()

    async def _finish(self) -> None:
        self._settler.claims_for = None
        self._give_back(task.claim for task in self._slots.all_parked())
        await self._runs.finish(self._options.grace)
        await self._settle_last()

    async def _settle_last(self) -> None:
        with contextlib.suppress(TimeoutError):  # the store is away: rescue will return what is left
            async with asyncio.timeout(LAST_WORDS):
                await self._settler.flush()
