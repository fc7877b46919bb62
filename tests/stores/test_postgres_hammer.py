"""Everybody does everything at once on one database: each run is handed out once and settled once, nothing is stuck."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from afterwards.outcomes import Ending, done
from afterwards.stores import store_for
from afterwards.tasks import Claim, State, Task, TaskId, WorkerId
from tests import databases
from tests.contract.builders import TimedStore, a_line, claim_all, outcome, sign_on

SECONDS = 6.0
WORKERS, PEOPLE, PROCESSES = 6, 3, 2
ENDINGS = [*[Ending.DONE] * 5, Ending.FAILED, Ending.RETRIED, Ending.AGAIN, Ending.RETURNED, Ending.CANCELLED]


class Hammer:
    """What was handed out and settled, as those who did it saw it. A worker that does not sign off is dead."""

    def __init__(self) -> None:
        self.handed = Counter[tuple[TaskId, int]]()
        self.settled = Counter[tuple[TaskId, int]]()
        self.known: list[TaskId] = []
        self.seen = set[WorkerId]()
        self.dead: list[WorkerId] = []
        self.changed = 0
        self._dice = random.Random()
        self._ends = time.monotonic() + SECONDS

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._ends

    async def work(self, store: TimedStore, name: str) -> None:
        while self.goes_on:
            worker = await sign_on(store, f"{name} {len(self.seen)}")
            self.seen.add(worker)
            for _ in range(self._dice.randrange(5, 40)):
                await self._settle_all(store, worker, await self._take(store, worker))
            if self._dice.random() < 0.5:
                await store.sign_off(worker)
            else:
                self.dead.append(worker)

    async def interfere(self, store: TimedStore) -> None:
        while self.goes_on:
            ids = self._dice.sample(self.known, min(len(self.known), 3))[-3:]
            queue, paused = self._dice.choice("ab"), self._dice.random() < 0.3
            self.changed += (
                len(await store.cancel(ids)) + len(await store.retry(ids)) + len(await store.forget(ids[:1]))
            )
            await store.pause(queue, paused=paused)
            await store.prune(older_than=timedelta(seconds=0.5), limit=10)

    async def rescue(self, store: TimedStore) -> None:
        while self.goes_on:
            alive_too = self._dice.random() < 0.2  # believed dead, as one that was stopped for long
            known_dead = [*self.seen] if alive_too else [*self.dead]
            self.changed += len(await store.rescue(known_dead=known_dead, expired=True, limit=20))
            await asyncio.sleep(0)

    async def _take(self, store: TimedStore, worker: WorkerId) -> list[Task]:
        if self._dice.random() < 0.5:
            return self._note(await store.claim(worker, limit=self._dice.randrange(1, 8), suspects=True))
        line = a_line(self._dice.randrange(1, 4), queue=self._dice.choice("ab"), priority=self._dice.randrange(10))
        if self.known and self._dice.random() < 0.3:
            line[0] = replace(line[0], after=self._dice.choice(self.known[-20:]))
        added = await store.add(line, claimed_by=worker)
        self.known.extend(call.id for call in line)
        return self._note([one.claimed for one in added if one.claimed is not None])

    async def _settle_all(self, store: TimedStore, worker: WorkerId, tasks: list[Task]) -> None:
        while tasks:
            kept = [task for task in tasks if self._dice.random() < 0.95]
            outcomes = [outcome(task.claim, self._dice.choice(ENDINGS)) for task in kept]
            settled = await store.settle(outcomes, claimed_by=worker)
            self.settled.update(_key(claim) for claim in settled.held)
            tasks = self._note(settled.claimed)

    def _note(self, tasks: list[Task]) -> list[Task]:
        self.handed.update(_key(task.claim) for task in tasks)
        return tasks


def _key(claim: Claim) -> tuple[TaskId, int]:
    return claim.id, claim.run


@pytest.fixture
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[list[TimedStore]]:
    """Each as another process would have it."""
    url = databases.new(request)
    stores = [cast(TimedStore, store_for(url, add_timeout=timedelta(seconds=20))) for _ in range(PROCESSES)]
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


async def run_what_is_left(store: TimedStore, seen: set[WorkerId]) -> None:
    """As one worker would, a day later."""
    for queue in "ab":
        await store.pause(queue, paused=False)
    while await store.workers():
        await store.rescue(known_dead=[*seen], expired=False, limit=1000)
    store.clock_offset = timedelta(days=1)
    last = await sign_on(store, "last")
    while tasks := await claim_all(store, last):
        assert len((await store.settle([done(task.claim) for task in tasks])).held) == len(tasks)


async def test_nothing_is_doubled_or_stuck_however_many_do_everything_at_once(stores: list[TimedStore]):
    hammer = Hammer()
    await asyncio.gather(
        *(hammer.work(stores[number % PROCESSES], f"worker {number}") for number in range(WORKERS)),
        *(hammer.interfere(stores[number % PROCESSES]) for number in range(PEOPLE)),
        *(hammer.rescue(store) for store in stores),
    )
    await run_what_is_left(stores[0], hammer.seen)
    assert [key for key, times in hammer.handed.items() if times > 1] == []
    assert [key for key, times in hammer.settled.items() if times > 1] == []
    assert hammer.settled.keys() <= hammer.handed.keys()
    census = await stores[0].census()
    assert census.held == {}
    assert (census.by_state[State.WAITING], census.by_state[State.RUNNING]) == (0, 0)
    assert len(hammer.settled) > 20
    assert hammer.changed > 5
