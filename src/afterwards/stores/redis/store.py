"""The store in a Redis or Valkey server: hands every verb to a thread. The contract is in afterwards/store.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeAlias, TypeVar, cast

from afterwards import forks, stored
from afterwards.asking import Asker
from afterwards.bell import Hopeful
from afterwards.chance import jittered
from afterwards.errors import StoreUnavailable
from afterwards.migrations import Schema
from afterwards.outcomes import Outcome, returned
from afterwards.schedules import Agenda, Plan, Steer, Tick
from afterwards.stores.redis import adding, parts, verbs
from afterwards.stores.redis.adding import Addition
from afterwards.stores.redis.address import address_of
from afterwards.stores.redis.claiming import Wish
from afterwards.stores.redis.clock import Clock
from afterwards.stores.redis.desk import Desk
from afterwards.stores.redis.errands import Errand, Verb, plain
from afterwards.stores.redis.looking import Page
from afterwards.stores.redis.moving import Part
from afterwards.stores.redis.rescuing import Search as Rescue
from afterwards.stores.redis.scheduling import Planning, Steering
from afterwards.stores.redis.settling import Settlement
from afterwards.stores.redis.steering import Chosen, Pausing, Pruning
from afterwards.stores.redis.threads import Standing, Threads
from afterwards.stores.redis.trouble import too_long
from afterwards.stores.redis.workers import Leave, Prolonging
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
GiveBack: TypeAlias = Callable[[Answer], None]

_POLL = 1.0  # seconds, jittered: what is heard is only a hint, this stands behind it


class RedisStore:
    """Keeps tasks in a Redis or Valkey server, under keys of one hash tag.

    `url` is as address.py reads it. `add_timeout` is how long callers wait for a server that is away.
    """

    def __init__(self, url: str, *, add_timeout: timedelta) -> None:
        self._address = address_of(url)
        self._patience = add_timeout.total_seconds()
        self._clock = Clock()
        self._standing = Standing()
        self._threads = self._new_threads()
        self._hopeful = Hopeful()
        forks.watch(self)

    @property
    def description(self) -> str:
        return self._address.description

    @property
    def identity(self) -> str:
        """Known once the store has been opened. Raises StoreUnavailable before."""
        if self._standing.identity is None:
            raise StoreUnavailable(f"{self.description} has not been opened yet: await open() first")
        return self._standing.identity

    @property
    def clock_offset(self) -> timedelta:
        """How far the store's clock is ahead of the server's: zero, but in tests, where days pass at once."""
        return self._clock.offset

    @clock_offset.setter
    def clock_offset(self, offset: timedelta) -> None:
        self._clock.offset = offset
        self._threads.bell.ring()

    def warnings(self) -> list[str]:
        return list(self._standing.warnings)

    async def open(self) -> None:
        for desk in (self._threads.intake, self._threads.writer):  # also after what is still under way there
            await self._ask(desk, verbs.OPEN, None)
        self._threads.ear.listen()

    async def schema(self) -> Schema | None:
        """None: there are no tables to make. The form of what is in the keys is a matter of `open`."""
        return None

    def schema_sql(self, *, since: int) -> str:
        """Nothing."""
        del since
        return ""

    async def close(self) -> None:
        closing, self._threads = self._threads, self._new_threads()
        closing.bell.ring()
        await asyncio.to_thread(closing.close)

    async def add(self, calls: Sequence[Call], *, claimed_by: WorkerId | None = None) -> list[Added]:
        """Raises CannotStore, with nothing stored, for a call that would not come back as it was."""
        adding.check_count(calls)
        for call in calls:
            stored.check_call(call)
        addition = Addition(calls=tuple(calls), claimed_by=claimed_by)
        return await self._write(verbs.ADD, addition, give_back=self._give_back_added if claimed_by else None)

    async def sign_on(self, worker: WorkerCard) -> None:
        await self._write(verbs.SIGN_ON, worker)
        await self.free_unknown(worker.functions)

    async def claim(self, worker: WorkerId, *, limit: int, suspects: bool, unknown: Collection[str] = ()) -> list[Task]:
        wish = Wish(worker=worker, limit=limit, suspects=suspects, unknown=tuple(unknown), lost=self._threads.lost)
        tasks = await self._write(verbs.CLAIM, wish, give_back=self._give_back_tasks)
        if limit > 0:
            self._hopeful.note_claim(worker, brought=bool(tasks))
        return tasks

    async def settle(self, outcomes: Sequence[Outcome], *, claimed_by: WorkerId | None = None) -> Settled:
        settlement = Settlement(outcomes=tuple(outcomes), claimed_by=claimed_by)
        return await self._write(verbs.SETTLE, settlement, give_back=self._give_back_settled)

    async def renew(self, worker: WorkerId, *, lease: timedelta, tally: Tally | None = None) -> Renewal:
        return await self._watch(verbs.RENEW, Prolonging(worker=worker, lease=lease, tally=tally))

    async def tallies(self) -> dict[WorkerId, Tally]:
        return await self._look(verbs.TALLIES, None)

    async def note(self, notes: Sequence[Note]) -> list[Claim]:
        return await self._watch(verbs.NOTE, tuple(notes))

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
        return await parts.free(partial(self._write, verbs.FREE_UNKNOWN), tuple(names))

    async def prune(self, *, older_than: timedelta, limit: int) -> int:
        return await parts.prune(partial(self._write, verbs.PRUNE), Pruning(older_than=older_than, limit=limit))

    async def sweep(self, *, after: Gate | None = None) -> Gate | None:
        return await self._write(verbs.SWEEP, after)

    async def sign_off(self, worker: WorkerId, *, leaving: bool = False, tally: Tally | None = None) -> None:
        await self._write(verbs.SIGN_OFF, Leave(worker=worker, leaving=leaving, tally=tally))
        self._hopeful.note_claim(worker, brought=False)

    async def wait(self, worker: WorkerId, *, timeout: float, suspects: bool, unknown: Collection[str] = ()) -> Woken:
        ends, threads = time.monotonic() + timeout, self._threads
        wish = Wish(worker=worker, limit=0, suspects=suspects, unknown=tuple(unknown), lost=threads.lost)
        threads.ear.listen()
        with threads.bell.listening() as waiter:
            while self._threads is threads:  # else the store was closed meanwhile
                waiter.hush()
                until_due = await self._watch(verbs.UNTIL_DUE, wish)
                if until_due == 0:
                    return Woken.READY
                left = ends - time.monotonic()
                if left <= 0:
                    break
                poll = jittered(_POLL, least=0.7)
                rung = await waiter.rung(min(left, poll) if until_due is None else min(left, poll, until_due))
                if rung and worker in self._hopeful:
                    return Woken.READY
        return Woken.TIMEOUT

    async def states(self, ids: Collection[TaskId]) -> dict[TaskId, State]:
        return await self._look(verbs.STATES, tuple(ids))

    async def find(self, search: Search, *, limit: int, after: TaskId | None = None) -> list[Task]:
        page = Page(search=search, states=search.among(State), limit=limit, start=after)
        return await parts.find(partial(self._look, verbs.FIND), page)

    async def seek(
        self, search: Search, *, states: Collection[State], limit: int, bookmark: Bookmark | None = None
    ) -> Sought:
        page = Page(search=search, states=search.among(states), limit=limit, start=bookmark)
        return await self._look(verbs.SEEK, page)

    async def census(self) -> Census:
        return await self._look(verbs.CENSUS, None)

    async def throughput(self, *, within: timedelta, limit: int) -> Throughput:
        return await self._look(verbs.THROUGHPUT, Recent(within=within, limit=limit))

    async def retry(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await parts.change(partial(self._write, verbs.RETRY), Chosen(ids=tuple(sorted(ids)), matching=matching))

    async def cancel(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await parts.change(partial(self._write, verbs.CANCEL), Chosen(ids=tuple(ids), matching=matching))

    async def delete(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        return await parts.change(partial(self._write, verbs.DELETE), Chosen(ids=tuple(ids), matching=matching))

    async def pause(self, queue: str, *, paused: bool) -> None:
        await self._write(verbs.PAUSE, Pausing(queue=queue, paused=paused))

    async def hand_over(self, *, limit: int, after: TaskId | None = None) -> list[Task]:
        return await self._look(verbs.HAND_OVER, Part(limit=limit, after=after))

    async def receive(self, tasks: Sequence[Task]) -> list[TaskId]:
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
        """Nothing: threads and connections stay with the parent, whom a child does not disturb."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Start afresh; the identity is that of the store and stays."""
        inherited, self._threads = self._threads, self._new_threads()
        inherited.forget()

    def _new_threads(self) -> Threads:
        return Threads(self._address, self._clock, self._standing, patience=self._patience)

    async def _write(
        self, verb: Verb[Request, Answer], request: Request, *, give_back: GiveBack[Answer] | None = None
    ) -> Answer:
        desk = self._threads.intake if verb.durable else self._threads.writer
        return await self._ask(desk, verb, request, give_back=give_back)

    async def _watch(self, verb: Verb[Request, Answer], request: Request) -> Answer:
        await self._be_open()
        return await self._ask(self._threads.watch, verb, request)

    async def _look(self, verb: Verb[Request, Answer], request: Request) -> Answer:
        await self._be_open()
        return await self._ask(self._threads.look, verb, request)

    async def _be_open(self) -> None:
        """Only the writer brings the store into being."""
        if self._standing.identity is None:
            await self.open()

    async def _ask(
        self, desk: Desk, verb: Verb[Request, Answer], request: Request, *, give_back: GiveBack[Answer] | None = None
    ) -> Answer:
        asker, undo = Asker(), cast("Callable[[object], None] | None", give_back)
        errand = Errand(verb=plain(verb), request=request, asker=asker, give_back=undo)
        desk.hand_in([errand])
        try:
            async with asyncio.timeout(self._patience):
                return cast("Answer", await asker.answer(errand.miss))
        except TimeoutError as error:
            raise too_long(verb.doing, self.description, desk.trouble) from error

    def _give_back_added(self, answer: list[Added]) -> None:
        self._give_back_tasks([added.claimed for added in answer if added.claimed])

    def _give_back_settled(self, answer: Settled) -> None:
        self._give_back_tasks(answer.claimed)

    def _give_back_tasks(self, answer: list[Task]) -> None:
        """Claimed for a caller who was cancelled meanwhile: nobody would ever run them."""
        outcomes = tuple(returned(task.claim) for task in answer)
        if outcomes:
            self._threads.writer.hand_in([Errand(verb=plain(verbs.SETTLE), request=Settlement(outcomes=outcomes))])
