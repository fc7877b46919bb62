"""The store in a SQLite file: hands every verb to the thread that does it. The contract is in afterwards/store.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TypeVar, cast

from afterwards import forks, stored
from afterwards.asking import Asker
from afterwards.errors import StoreUnavailable
from afterwards.migrations import Schema
from afterwards.outcomes import Outcome, returned
from afterwards.schedules import Agenda, Plan, Steer, Tick
from afterwards.stores.sqlite import verbs
from afterwards.stores.sqlite.adding import Addition
from afterwards.stores.sqlite.claiming import Wish
from afterwards.stores.sqlite.clock import Clock
from afterwards.stores.sqlite.desk import Desk
from afterwards.stores.sqlite.errands import Errand, Verb, plain
from afterwards.stores.sqlite.joining import SQLiteJoint
from afterwards.stores.sqlite.looking import Glance, Page
from afterwards.stores.sqlite.migrations import schema_of, sql_since
from afterwards.stores.sqlite.moving import Part
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.rescuing import Search as Rescue
from afterwards.stores.sqlite.scheduling import Planning, Steering
from afterwards.stores.sqlite.settling import Settlement
from afterwards.stores.sqlite.steering import Chosen, Pausing, Pruning
from afterwards.stores.sqlite.threads import Threads
from afterwards.stores.sqlite.workers import Leave, Prolonging
from afterwards.tallies import Tally
from afterwards.tasks import (
    Added,
    Bookmark,
    Call,
    Census,
    Claim,
    Gate,
    Note,
    Renewal,
    Search,
    Settled,
    SignedOn,
    Sought,
    State,
    Task,
    TaskId,
    Woken,
    WorkerCard,
    WorkerId,
)
from afterwards.throughput import Recent, Throughput

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class SQLiteStore:
    """Keeps tasks in one file, which the processes of one machine may share.

    `path` is relative to the working directory, absolute, or empty for a private temporary file that goes with
    `close`. `add_timeout` is how long a write waits for a file that somebody else has locked. Without `migrate` it
    makes no file, but a private one, and changes no schema.
    """

    def __init__(self, path: str, *, add_timeout: timedelta, migrate: bool = True) -> None:
        self._place = Place(path)
        self._patience = add_timeout.total_seconds()
        self._clock = Clock()
        self._migrates = migrate
        self._threads = self._new_threads()
        forks.watch(self)

    @property
    def description(self) -> str:
        return self._place.description

    @property
    def identity(self) -> str:
        """Known once the store has been opened. Raises StoreUnavailable before."""
        identity = self._threads.database.identity
        if identity is None:
            raise StoreUnavailable(f"{self.description} has not been opened yet: await open() first")
        return identity

    @property
    def joint(self) -> SQLiteJoint:
        """Where transactions of the user's meet this file. Raises StoreUnavailable before it has been opened."""
        return SQLiteJoint(self.identity, self._clock, self._threads.bell.ring)

    @property
    def clock_offset(self) -> timedelta:
        """How far the store's clock is ahead of the machine's: zero, but in tests, where days pass at once."""
        return self._clock.offset

    @clock_offset.setter
    def clock_offset(self, offset: timedelta) -> None:
        self._clock.offset = offset
        self._threads.bell.ring()

    def warnings(self) -> list[str]:
        return list(self._threads.database.warnings)

    async def open(self) -> None:
        await self._write(verbs.OPEN, None)

    async def schema(self) -> Schema:
        return await asyncio.to_thread(schema_of, self._place)

    def schema_sql(self, *, since: int) -> str:
        return sql_since(since)

    async def close(self) -> None:
        closing, self._threads = self._threads, self._new_threads()
        closing.bell.ring()
        await asyncio.to_thread(closing.close)
        self._place.leave()

    async def add(self, calls: Sequence[Call], *, claimed_by: WorkerId | None = None) -> list[Added]:
        """Raises CannotStore, with nothing stored, for a call that would not come back as it was."""
        for call in calls:
            stored.check_call(call)
        addition = Addition(calls=tuple(calls), claimed_by=claimed_by)
        return await self._write(verbs.ADD, addition, give_back=self._give_back_added if claimed_by else None)

    async def sign_on(self, worker: WorkerCard) -> None:
        await self._write(verbs.SIGN_ON, worker)

    async def claim(self, worker: WorkerId, *, limit: int, suspects: bool, unknown: Collection[str] = ()) -> list[Task]:
        wish = Wish(worker=worker, limit=limit, suspects=suspects, unknown=tuple(unknown))
        return await self._write(verbs.CLAIM, wish, give_back=self._give_back_tasks)

    async def settle(self, outcomes: Sequence[Outcome], *, claimed_by: WorkerId | None = None) -> Settled:
        return await self._write(verbs.SETTLE, Settlement(outcomes=tuple(outcomes), claimed_by=claimed_by))

    async def renew(self, worker: WorkerId, *, lease: timedelta, tally: Tally | None = None) -> Renewal:
        return await self._write(verbs.RENEW, Prolonging(worker=worker, lease=lease, tally=tally))

    async def tallies(self) -> dict[WorkerId, Tally]:
        return await self._look(verbs.TALLIES, None)

    async def note(self, notes: Sequence[Note]) -> list[Claim]:
        return await self._write(verbs.NOTE, tuple(notes))

    async def cancellations(self, worker: WorkerId) -> list[Claim]:
        return await self._watch(verbs.CANCELLATIONS, worker)

    async def claims(self, worker: WorkerId) -> list[Claim]:
        return await self._watch(verbs.CLAIMS, worker)

    async def rescue(self, *, known_dead: Collection[WorkerId], expired: bool, limit: int) -> list[Task]:
        return await self._write(verbs.RESCUE, Rescue(known_dead=tuple(known_dead), expired=expired, limit=limit))

    async def workers(self) -> list[SignedOn]:
        return await self._watch(verbs.WORKERS, None)

    async def unknown_names(self) -> list[str]:
        return await self._watch(verbs.UNKNOWN_NAMES, None)

    async def free_unknown(self, names: Collection[str]) -> int:
        return await self._write(verbs.FREE_UNKNOWN, tuple(names))

    async def prune(self, *, older_than: timedelta, limit: int) -> int:
        return await self._write(verbs.PRUNE, Pruning(older_than=older_than, limit=limit))

    async def sweep(self, *, after: Gate | None = None) -> Gate | None:
        return await self._write(verbs.SWEEP, after)

    async def sign_off(self, worker: WorkerId, *, leaving: bool = False, tally: Tally | None = None) -> None:
        await self._write(verbs.SIGN_OFF, Leave(worker=worker, leaving=leaving, tally=tally))

    async def wait(self, worker: WorkerId, *, timeout: float, suspects: bool, unknown: Collection[str] = ()) -> Woken:
        ends, threads = time.monotonic() + timeout, self._threads
        glance = Glance(worker=worker, suspects=suspects, unknown=tuple(unknown))
        with threads.bell.listening() as waiter:
            while self._threads is threads:  # else the store was closed meanwhile
                waiter.hush()
                until_due = await self._watch(verbs.UNTIL_DUE, glance)
                if until_due == 0:
                    return Woken.READY
                left = ends - time.monotonic()
                if left <= 0:
                    break
                await waiter.rung(left if until_due is None else min(left, until_due))
        return Woken.TIMEOUT

    async def states(self, ids: Collection[TaskId]) -> dict[TaskId, State]:
        return await self._look(verbs.STATES, tuple(ids))

    async def find(self, search: Search, *, limit: int, after: TaskId | None = None) -> list[Task]:
        return await self._look(verbs.FIND, Page(search=search, states=search.among(State), limit=limit, after=after))

    async def seek(
        self, search: Search, *, states: Collection[State], limit: int, bookmark: Bookmark | None = None
    ) -> Sought:
        page = Page(search=search, states=search.among(states), limit=limit, bookmark=bookmark)
        return await self._look(verbs.SEEK, page)

    async def census(self) -> Census:
        return await self._look(verbs.CENSUS, None)

    async def throughput(self, *, within: timedelta, limit: int) -> Throughput:
        return await self._look(verbs.THROUGHPUT, Recent(within=within, limit=limit))

    async def retry(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await self._write(verbs.RETRY, Chosen(ids=tuple(sorted(ids)), matching=matching))

    async def cancel(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await self._write(verbs.CANCEL, Chosen(ids=tuple(ids), matching=matching))

    async def delete(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await self._write(verbs.DELETE, Chosen(ids=tuple(ids), matching=matching))

    async def pause(self, queue: str, *, paused: bool) -> None:
        await self._write(verbs.PAUSE, Pausing(queue=queue, paused=paused))

    async def hand_over(self, *, limit: int, after: TaskId | None = None) -> list[Task]:
        return await self._look(verbs.HAND_OVER, Part(limit=limit, after=after))

    async def receive(self, tasks: Sequence[Task]) -> list[TaskId]:
        """Raises CannotStore as `add` does."""
        for task in tasks:
            stored.check_received(task)
        return await self._write(verbs.RECEIVE, tuple(tasks))

    async def forget(self, ids: Collection[TaskId]) -> list[TaskId]:
        return await self._write(verbs.FORGET, tuple(ids))

    async def agenda(self) -> Agenda:
        return await self._watch(verbs.AGENDA, None)

    async def plan(self, plans: Sequence[Plan], *, starting: bool) -> None:
        await self._write(verbs.PLAN, Planning(plans=tuple(plans), starting=starting))

    async def tick(self, ticks: Sequence[Tick]) -> list[TaskId]:
        stored.check_ticks(ticks)
        return await self._write(verbs.TICK, tuple(ticks))

    async def steer(self, name: str, how: Steer) -> bool:
        return await self._write(verbs.STEER, Steering(name=name, how=how))

    def before_fork(self) -> None:
        """Close all connections and stand still."""
        self._threads.park()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._threads.unpark()

    def after_fork_in_child(self) -> None:
        """Start afresh; the identity is that of the file and stays."""
        inherited, self._threads = self._threads, self._new_threads()
        inherited.forget()
        self._threads.database.identity = inherited.database.identity

    def _new_threads(self) -> Threads:
        return Threads(self._place, self._clock, migrates=self._migrates)

    async def _write(
        self,
        verb: Verb[Request, Answer],
        request: Request,
        *,
        give_back: Callable[[Answer], None] | None = None,
    ) -> Answer:
        asker = Asker()
        errand = self._errand(verb, request, asker, give_back)
        self._threads.tray.lay(errand, asker.loop)
        return cast("Answer", await asker.answer(errand.miss))

    async def _watch(self, verb: Verb[Request, Answer], request: Request) -> Answer:
        await self._be_open()
        return await self._ask(self._threads.watch.desk, verb, request)

    async def _look(self, verb: Verb[Request, Answer], request: Request) -> Answer:
        await self._be_open()
        return await self._ask(self._threads.look.desk, verb, request)

    async def _be_open(self) -> None:
        """Readers cannot bring the file into being."""
        if self._threads.database.identity is None:
            await self.open()

    async def _ask(self, desk: Desk, verb: Verb[Request, Answer], request: Request) -> Answer:
        asker = Asker()
        errand = self._errand(verb, request, asker)
        desk.hand_in([errand])
        return cast("Answer", await asker.answer(errand.miss))

    def _errand(
        self,
        verb: Verb[Request, Answer],
        request: Request,
        asker: Asker | None = None,
        give_back: Callable[[Answer], None] | None = None,
    ) -> Errand:
        return Errand(
            verb=plain(verb),
            request=request,
            deadline=time.monotonic() + self._patience,
            asker=asker,
            give_back=cast("Callable[[object], None] | None", give_back),
        )

    def _give_back_added(self, answer: list[Added]) -> None:
        self._give_back_tasks([added.claimed for added in answer if added.claimed])

    def _give_back_tasks(self, answer: list[Task]) -> None:
        """Claimed for a caller who was cancelled meanwhile: nobody would ever run them."""
        outcomes = tuple(returned(task.claim) for task in answer)
        if outcomes:
            self._threads.writer.desk.hand_in([self._errand(verbs.SETTLE, Settlement(outcomes=outcomes))])
