"""The store in a PostgreSQL database: hands every verb to the desk that does it. The contract: afterwards/store.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar, cast

from afterwards import forks, stored
from afterwards.asking import Asker
from afterwards.bell import Hopeful, Waiter
from afterwards.chance import jittered
from afterwards.errors import StoreUnavailable
from afterwards.migrations import Schema
from afterwards.outcomes import Outcome, returned
from afterwards.schedules import Agenda, Plan, Steer, Tick
from afterwards.stores.postgres import verbs
from afterwards.stores.postgres.adding import Addition, has_key
from afterwards.stores.postgres.address import address_of
from afterwards.stores.postgres.base import Base
from afterwards.stores.postgres.claiming import Wish
from afterwards.stores.postgres.errands import Errand, Verb, plain
from afterwards.stores.postgres.heads import Heads
from afterwards.stores.postgres.joining import PostgresJoint
from afterwards.stores.postgres.looking import Glance, Page
from afterwards.stores.postgres.migrations import sql_since
from afterwards.stores.postgres.moving import Part
from afterwards.stores.postgres.office import Office
from afterwards.stores.postgres.rescuing import Search as Rescue
from afterwards.stores.postgres.scheduling import Planning, Steering
from afterwards.stores.postgres.settling import Settlement
from afterwards.stores.postgres.steering import Chosen, Pausing, Pruning
from afterwards.stores.postgres.workers import Leave, Prolonging
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

_POLL = 1.0  # seconds, jittered: a notice is only a hint, this stands behind it
_LOCK_PAUSE = 0.02  # seconds before another look at what a claim has just passed over
_FOR_EVER = float("inf")


class PostgresStore:
    """Keeps tasks in a database, which any number of processes on any number of machines share.

    `add_timeout` is how long a caller waits for a database that is away. Unless it may `migrate`, the schema is left as
    it is, and refused where it lacks something. Raises UnsupportedURL.
    """

    def __init__(self, url: str, *, add_timeout: timedelta, migrate: bool = True) -> None:
        self._base = Base(address_of(url), patience=add_timeout.total_seconds(), migrates=migrate)
        self._office = Office(self._base)
        self._empty_handed: set[WorkerId] = set()
        self._hopeful = Hopeful()
        self._heads = Heads()
        forks.watch(self)

    @property
    def description(self) -> str:
        return self._base.place

    @property
    def identity(self) -> str:
        """Known once the store has been opened. Raises StoreUnavailable before."""
        if self._base.identity is None:
            raise StoreUnavailable(f"{self.description} has not been opened yet: await open() first")
        return self._base.identity

    @property
    def joint(self) -> PostgresJoint:
        """Where transactions of the user's meet this database. Raises StoreUnavailable before it has been opened."""
        return PostgresJoint(self.identity, self._base.offset, self._office.ring)

    @property
    def clock_offset(self) -> timedelta:
        """How far the store's clock is ahead of the server's: zero, but in tests, where days pass at once."""
        return self._base.offset

    @clock_offset.setter
    def clock_offset(self, offset: timedelta) -> None:
        self._base.offset = offset
        self._office.bell.ring()

    def warnings(self) -> list[str]:
        return self._base.warnings()

    async def open(self) -> None:
        """Also waits for what was handed in before, such as what is given back."""
        await self._ask(verbs.OPEN_TO_ADD, None)
        await self._ask(verbs.OPEN_TO_WATCH, None)
        if self._office.has_worked:
            await self._ask(verbs.OPEN_TO_WORK, None)

    async def schema(self) -> Schema | None:
        return await self._base.schema()

    def schema_sql(self, *, since: int) -> str:
        return sql_since(since)

    async def close(self) -> None:
        closing, self._office = self._office, Office(self._base)
        closing.bell.ring()
        await asyncio.to_thread(closing.close)

    async def add(self, calls: Sequence[Call], *, claimed_by: WorkerId | None = None) -> list[Added]:
        """Raises CannotStore, with nothing stored, for a call that would not come back as it was."""
        for call in calls:
            stored.check_call(call)
        addition = Addition(calls=tuple(calls), claimed_by=claimed_by)
        return await self._ask(verbs.ADD_BY_KEY if has_key(addition) else verbs.ADD_TASKS, addition)

    async def sign_on(self, worker: WorkerCard) -> None:
        await self._ask(verbs.SIGN_ON, worker)

    async def claim(self, worker: WorkerId, *, limit: int, suspects: bool, unknown: Collection[str] = ()) -> list[Task]:
        wish = Wish(worker=worker, limit=limit, suspects=suspects, unknown=tuple(unknown), heads=self._heads)
        tasks = await self._ask(verbs.CLAIM, wish)
        if limit > 0:
            self._hopeful.note_claim(worker, brought=bool(tasks))
            if not tasks:
                self._empty_handed.add(worker)
        return tasks

    async def settle(self, outcomes: Sequence[Outcome], *, claimed_by: WorkerId | None = None) -> Settled:
        return await self._ask(verbs.SETTLE, Settlement(outcomes=tuple(outcomes), claimed_by=claimed_by))

    async def renew(self, worker: WorkerId, *, lease: timedelta, tally: Tally | None = None) -> Renewal:
        return await self._ask(verbs.RENEW, Prolonging(worker=worker, lease=lease, tally=tally))

    async def tallies(self) -> dict[WorkerId, Tally]:
        return await self._ask(verbs.TALLIES, None)

    async def note(self, notes: Sequence[Note]) -> list[Claim]:
        return await self._ask(verbs.NOTE, tuple(notes))

    async def cancellations(self, worker: WorkerId) -> list[Claim]:
        return await self._ask(verbs.CANCELLATIONS, worker)

    async def claims(self, worker: WorkerId) -> list[Claim]:
        return await self._ask(verbs.CLAIMS, worker)

    async def rescue(self, *, known_dead: Collection[WorkerId], expired: bool, limit: int) -> list[Task]:
        return await self._ask(verbs.RESCUE, Rescue(known_dead=tuple(known_dead), expired=expired, limit=limit))

    async def workers(self) -> list[SignedOn]:
        return await self._ask(verbs.WORKERS, None)

    async def unknown_names(self) -> list[str]:
        return await self._ask(verbs.UNKNOWN_NAMES, None)

    async def free_unknown(self, names: Collection[str]) -> int:
        return await self._ask(verbs.FREE_UNKNOWN, tuple(names))

    async def prune(self, *, older_than: timedelta, limit: int) -> int:
        return await self._ask(verbs.PRUNE, Pruning(older_than=older_than, limit=limit))

    async def sweep(self, *, after: Gate | None = None) -> Gate | None:
        return await self._ask(verbs.SWEEP, after)

    async def sign_off(self, worker: WorkerId, *, leaving: bool = False, tally: Tally | None = None) -> None:
        await self._ask(verbs.SIGN_OFF, Leave(worker=worker, leaving=leaving, tally=tally))
        self._hopeful.note_claim(worker, brought=False)

    async def wait(self, worker: WorkerId, *, timeout: float, suspects: bool, unknown: Collection[str] = ()) -> Woken:
        ends, office = time.monotonic() + timeout, self._office
        glance = Glance(worker=worker, suspects=suspects, unknown=tuple(unknown))
        with office.bell.listening() as waiter:
            while self._office is office:  # else the store was closed meanwhile
                waiter.hush()
                until_due = await self._ask(verbs.UNTIL_DUE, glance)
                if until_due == 0:
                    await self._pause_before_what_is_locked(worker, waiter)
                    return Woken.READY
                self._empty_handed.discard(worker)  # there was nothing
                left = min(ends - time.monotonic(), _FOR_EVER if until_due is None else until_due)
                if time.monotonic() >= ends:
                    break
                if await waiter.rung(min(left, jittered(_POLL, least=0.7))) and worker in self._hopeful:
                    return Woken.READY
        return Woken.TIMEOUT

    async def _pause_before_what_is_locked(self, worker: WorkerId, waiter: Waiter) -> None:
        """A claim that came back with nothing was no use: somebody else holds what is due, and will for a moment."""
        if worker in self._empty_handed:
            self._empty_handed.discard(worker)
            await waiter.rung(_LOCK_PAUSE)

    async def states(self, ids: Collection[TaskId]) -> dict[TaskId, State]:
        return await self._ask(verbs.STATES, tuple(ids))

    async def find(self, search: Search, *, limit: int, after: TaskId | None = None) -> list[Task]:
        return await self._ask(verbs.FIND, Page(search=search, states=search.among(State), limit=limit, after=after))

    async def seek(
        self, search: Search, *, states: Collection[State], limit: int, bookmark: Bookmark | None = None
    ) -> Sought:
        page = Page(search=search, states=search.among(states), limit=limit, bookmark=bookmark)
        return await self._ask(verbs.SEEK, page)

    async def census(self) -> Census:
        return await self._ask(verbs.CENSUS, None)

    async def throughput(self, *, within: timedelta, limit: int) -> Throughput:
        return await self._ask(verbs.THROUGHPUT, Recent(within=within, limit=limit))

    async def retry(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await self._ask(verbs.RETRY, Chosen(ids=tuple(sorted(ids)), matching=matching))

    async def cancel(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await self._ask(verbs.CANCEL, Chosen(ids=tuple(ids), matching=matching))

    async def delete(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await self._ask(verbs.DELETE, Chosen(ids=tuple(ids), matching=matching))

    async def pause(self, queue: str, *, paused: bool) -> None:
        await self._ask(verbs.PAUSE, Pausing(queue=queue, paused=paused))

    async def hand_over(self, *, limit: int, after: TaskId | None = None) -> list[Task]:
        return await self._ask(verbs.HAND_OVER, Part(limit=limit, after=after))

    async def receive(self, tasks: Sequence[Task]) -> list[TaskId]:
        for task in tasks:
            stored.check_received(task)
        return await self._ask(verbs.RECEIVE, tuple(tasks))

    async def forget(self, ids: Collection[TaskId]) -> list[TaskId]:
        return await self._ask(verbs.FORGET, tuple(ids))

    async def agenda(self) -> Agenda:
        return await self._ask(verbs.AGENDA, None)

    async def plan(self, plans: Sequence[Plan], *, starting: bool) -> None:
        await self._ask(verbs.PLAN, Planning(plans=tuple(plans), starting=starting))

    async def tick(self, ticks: Sequence[Tick]) -> list[TaskId]:
        stored.check_ticks(ticks)
        return await self._ask(verbs.TICK, tuple(ticks))

    async def steer(self, name: str, how: Steer) -> bool:
        return await self._ask(verbs.STEER, Steering(name=name, how=how))

    def before_fork(self) -> None:
        """Close all connections and stand still."""
        self._office.park()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._office.unpark()

    def after_fork_in_child(self) -> None:
        """Start afresh: nothing was open when the process forked."""
        self._office = Office(self._base)

    async def _ask(self, verb: Verb[Request, Answer], request: Request) -> Answer:
        asker = Asker()
        errand = Errand(
            verb=plain(verb),
            request=request,
            deadline=time.monotonic() + self._base.patience,
            give_back=partial(self._give_back, self._office),
            asker=asker,
        )
        self._office.tray.lay(errand, asker.loop)
        return cast("Answer", await asker.answer(errand.miss))

    def _give_back(self, office: Office, claims: list[Claim]) -> None:
        """Claimed for a caller who never heard of it: nobody would ever run these. Sent until it is written."""
        settlement = Settlement(outcomes=tuple(returned(claim) for claim in claims))
        errand = Errand(
            verb=plain(verbs.SETTLE), request=settlement, deadline=_FOR_EVER, give_back=partial(self._give_back, office)
        )
        office.hand_in([errand])
