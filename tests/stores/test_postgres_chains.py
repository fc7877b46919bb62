"""Chains whose steps are ended by several writers at once on one database: none stays held, none starts too early."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import psycopg
import pytest

from afterwards import stored
from afterwards.outcomes import Ending, done
from afterwards.stores import store_for
from afterwards.stores.postgres.store import PostgresStore
from afterwards.tasks import Call, Hold, Search, State, Task, TaskId, WorkerId
from afterwards.transactions import adding, drive, ending
from afterwards.turns import UNMET, unmet
from tests import databases
from tests.contract.builders import (
    EVERYTHING,
    TimedStore,
    a_call,
    a_chain,
    a_running_task,
    claim_all,
    end_all,
    ids_of,
    linked,
    outcome,
    sign_on,
    some_calls,
    the_task,
)

ROUNDS, STORES = 50, 4
GROUPS, MEMBERS = 4, 20
SECONDS = 5.0

Answer = TypeVar("Answer")


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[TimedStore]]:
    """Each as another process would have it, with connections of its own."""
    stores = [cast(TimedStore, store_for(url, add_timeout=timedelta(seconds=60))) for _ in range(STORES)]
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture
def store(stores: list[TimedStore]) -> TimedStore:
    return stores[0]


def some_groups(dice: random.Random) -> list[Call]:
    """Groups, what needs each of them, what needs members of two, and one that needs all of that."""
    groups = [range(first, first + MEMBERS) for first in range(0, GROUPS * MEMBERS, MEMBERS)]
    both = [dice.sample([*one, *other], MEMBERS) for one, other in zip(groups, [*groups[1:], groups[0]], strict=True)]
    needs = [*([] for _ in range(GROUPS * MEMBERS)), *groups, *both]
    needs.append(range(GROUPS * MEMBERS, len(needs)))
    return linked(some_calls(len(needs)), needs, anyway=dice.sample(range(len(needs)), len(needs) // 10))


def a_web(dice: random.Random) -> list[Call]:
    """A chain whose steps need any of those before them."""
    count = dice.randrange(2, 12)
    needs = [dice.sample(range(place), dice.randrange(min(place, 4) + 1)) for place in range(count)]
    return linked(some_calls(count), needs, anyway=dice.sample(range(count), count // 5))


async def end_in_turn(
    store: TimedStore, worker: WorkerId, tasks: Sequence[Task], ending: Callable[[], Ending], *, claims: bool
) -> None:
    """Settle these, and then what that lets start, if it `claims` that."""
    while tasks:
        outcomes = [outcome(task.claim, ending()) for task in tasks]
        settled = await store.settle(outcomes, claimed_by=worker if claims else None)
        tasks = settled.claimed


async def all_tasks(store: TimedStore) -> dict[TaskId, Task]:
    return {task.id: task for task in await store.find(Search(), limit=100 * EVERYTHING)}


def wrongly_held(tasks: dict[TaskId, Task]) -> list[Task]:
    """What waits for something that has ended, or is cancelled for something that is not, or is done."""
    return [task for task in tasks.values() if task.after is not None and _is_wrongly_held(task, tasks[task.after])]


def _is_wrongly_held(task: Task, after: Task) -> bool:
    if task.held is Hold.AFTER:
        return after.state.ended
    is_unmet = task.error is not None and task.error.kind == UNMET
    return is_unmet and (after.state is State.DONE or not after.state.ended)


def wrongly_ended(tasks: dict[TaskId, Task]) -> list[Task]:
    """What has started or was cancelled against the rule; true as long as nobody retries anything."""
    return [task for task in tasks.values() if task.state.ended and not _has_ended_well(task, tasks)]


def _has_ended_well(task: Task, tasks: dict[TaskId, Task]) -> bool:
    assert task.link is not None
    needs = [tasks[id] for id in task.link.needs]
    assert all(need.state.ended for need in needs)
    may_start = task.link.anyway or all(need.state is State.DONE for need in needs)
    return may_start is (task.state is not State.CANCELLED)


@pytest.mark.parametrize("failing", [0.0, 0.02])
async def test_groups_that_are_settled_at_once_from_everywhere_leave_no_step_held(
    stores: list[TimedStore], store: TimedStore, failing: float
):
    dice = random.Random()
    worker = await sign_on(store)

    def ending() -> Ending:
        return Ending.FAILED if dice.random() < failing else Ending.DONE

    for _ in range(ROUNDS):
        await store.add(some_groups(dice))
        while tasks := await claim_all(store, worker):
            mixed = dice.sample(tasks, len(tasks))
            batches = [mixed[place :: 3 * STORES] for place in range(3 * STORES)]
            await asyncio.gather(
                *(
                    end_in_turn(stores[place % STORES], worker, batch, ending, claims=dice.random() < 0.5)
                    for place, batch in enumerate(batches)
                )
            )
            assert wrongly_held(await all_tasks(store)) == []
        known = await all_tasks(store)
        assert [task for task in known.values() if not task.state.ended] == []
        assert wrongly_ended(known) == []
        await store.prune(older_than=timedelta(0), limit=EVERYTHING)


class Hammer:
    """Everybody does everything to chains, until the time is over."""

    endings = (*[Ending.DONE] * 6, *[Ending.FAILED] * 2, Ending.CANCELLED, Ending.RETRIED)

    def __init__(self) -> None:
        self.dice = random.Random()
        self.known: list[TaskId] = []
        self.changed = 0
        self.workers: list[WorkerId] = []
        self._ends = time.monotonic() + SECONDS

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._ends

    async def work(self, store: TimedStore) -> None:
        while self.goes_on:
            worker = await sign_on(store, f"worker {len(self.workers)}")
            self.workers.append(worker)
            for _ in range(self.dice.randrange(5, 20)):
                await store.add(web := a_web(self.dice))
                self.known = [*self.known[-150:], *ids_of(web)]
                tasks = await claim_all(store, worker, limit=self.dice.randrange(1, 30))
                await end_in_turn(
                    store, worker, tasks, lambda: self.dice.choice(self.endings), claims=self.dice.random() < 0.5
                )
            await claim_all(store, worker, limit=5)  # and dies

    async def rescue(self, store: TimedStore) -> None:
        while self.goes_on:
            await store.rescue(known_dead=self.workers[:-STORES], expired=False, limit=20)
            await asyncio.sleep(0)

    async def interfere(self, store: TimedStore) -> None:
        while self.goes_on:
            some = self.dice.sample(self.known, min(len(self.known), 4))
            self.changed += len(await store.retry(some[:2])) + len(await store.cancel(some[2:]))

    async def run(self, stores: Sequence[TimedStore]) -> None:
        await asyncio.gather(
            *(self.work(store) for store in stores),
            *(self.interfere(store) for store in stores),
            self.rescue(stores[0]),
        )

    async def end_what_is_left(self, store: TimedStore) -> None:
        while await store.workers():
            await store.rescue(known_dead=self.workers, expired=False, limit=EVERYTHING)
        store.clock_offset = timedelta(days=1)
        last = await sign_on(store, "last")
        while tasks := await claim_all(store, last):
            await end_all(store, tasks)


async def test_steps_that_are_settled_rescued_cancelled_and_retried_at_once_stand_as_they_should(
    stores: list[TimedStore], store: TimedStore
):
    hammer = Hammer()
    await hammer.run(stores)
    assert hammer.changed > 20
    known = await all_tasks(store)
    assert wrongly_held(known) == []
    await hammer.end_what_is_left(store)
    known = await all_tasks(store)
    assert wrongly_held(known) == []
    assert [task for task in known.values() if not task.state.ended] == []


# What somebody else is just writing

END = "UPDATE afterwards_tasks SET state = 'done', worker = NULL, ended = now(), freed = true WHERE id = %(id)s"
RETRY = "UPDATE afterwards_tasks SET state = 'waiting', ended = NULL, error = NULL WHERE id = %(id)s"
LOCK = "SELECT 1 FROM afterwards_tasks WHERE id = %(id)s FOR SHARE"
HOLD = f"{LOCK}; UPDATE afterwards_tasks SET after = %(id)s WHERE id = %(step)s"
BREAK = f"""{LOCK}; UPDATE afterwards_tasks
SET state = 'cancelled', held = NULL, after = %(id)s, error = %(error)s, ended = now(), freed = true
WHERE id = %(step)s"""
TRIES = """SELECT pid || ' ' || xact_start FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()"""


async def while_written(
    url: str, written: str, doing: Coroutine[Any, Any, Answer], *, id: TaskId, step: TaskId | None = None
) -> Answer:
    """What it answers, if somebody writes that meanwhile, and commits when it has been tried three times."""
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        values = {"id": id, "step": step, "error": stored.failure_text(unmet(id, State.FAILED))}
        connection.execute(written.encode(), values)
        asked, tries = asyncio.ensure_future(doing), set[str]()
        async with asyncio.timeout(20):
            while len(tries) < 3:
                tries.update(databases.column(url, TRIES))
                await asyncio.sleep(0.001)
                assert not asked.done()
    return await asked


async def two_and_a_step(store: TimedStore, worker: WorkerId, **options: object) -> tuple[Task, Task, Call]:
    """Two tasks that run, and what needs them and is held after the second."""
    *_, step = calls = linked(some_calls(3, **options), [[], [], [0, 1]])
    await store.add(calls)
    one, two = await claim_all(store, worker)
    return one, two, step


async def test_a_step_whose_needs_are_settled_side_by_side_starts(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker)
    free = await a_running_task(store, worker)
    settling = asyncio.ensure_future(while_written(url, END, store.settle([done(two.claim)]), id=one.id))
    assert (await store.settle([done(free.claim)])).held == [free.claim]
    assert (await settling).held == [two.claim]
    assert ids_of(await claim_all(store, worker)) == [step.id]


async def test_a_step_whose_needs_are_rescued_and_settled_side_by_side_ends(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker, crashes=0)
    assert [one.worker, two.worker] == [worker, worker]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE afterwards_tasks SET worker = 'another' WHERE id = %s", [one.id])
    rescue = store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert ids_of(await while_written(url, END, rescue, id=one.id)) == [two.id]
    task = await the_task(store, step.id)
    assert (task.state, task.after) == (State.CANCELLED, two.id)


async def test_a_step_whose_needs_are_cancelled_and_settled_side_by_side_ends(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker)
    await store.settle([outcome(two.claim, Ending.RETURNED)])
    assert await while_written(url, END, store.cancel([two.id]), id=one.id) == [two.id]
    task = await the_task(store, step.id)
    assert (task.state, task.after) == (State.CANCELLED, two.id)


async def test_a_step_whose_needs_are_retried_and_settled_side_by_side_waits_again(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker)
    await store.settle([outcome(one.claim, Ending.FAILED), done(two.claim)])
    assert (await the_task(store, step.id)).after == one.id
    await store.retry([two.id])
    await claim_all(store, worker)
    assert await while_written(url, END, store.retry([one.id]), id=two.id) == [one.id]
    task = await the_task(store, step.id)
    assert (task.held, task.after) == (Hold.AFTER, one.id)


async def test_a_step_is_not_given_up_for_what_is_just_retried(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker)
    await store.settle([outcome(one.claim, Ending.FAILED)])
    await while_written(url, RETRY, store.settle([done(two.claim)]), id=one.id)
    task = await the_task(store, step.id)
    assert (task.held, task.after) == (Hold.AFTER, one.id)


async def test_a_step_that_is_just_given_up_waits_again_with_what_is_retried(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker)
    await store.settle([outcome(one.claim, Ending.FAILED)])
    assert await while_written(url, BREAK, store.retry([one.id]), id=one.id, step=step.id) == [one.id]
    task = await the_task(store, step.id)
    assert (task.held, task.after) == (Hold.AFTER, two.id)


async def test_a_step_that_ends_while_it_is_to_be_retried_takes_along_what_was_given_up_for_it(
    store: TimedStore, url: str
):
    worker = await sign_on(store)
    for _ in range(5):
        one, two, _ = await two_and_a_step(store, worker)
        await store.settle([done(one.claim)])
        with psycopg.connect(url) as connection:
            connection.execute(LOCK.encode(), {"id": one.id})
            retrying = asyncio.ensure_future(store.retry([one.id, two.id]))
            while not databases.column(url, TRIES):
                await asyncio.sleep(0.001)
            await store.settle([outcome(two.claim, Ending.FAILED)])
        assert one.id in await retrying
        assert wrongly_held(await all_tasks(store)) == []
        while tasks := await claim_all(store, worker):
            await end_all(store, tasks)


async def test_a_step_that_is_just_told_to_wait_for_what_is_settled_is_not_left_behind(store: TimedStore, url: str):
    worker = await sign_on(store)
    one, two, step = await two_and_a_step(store, worker)
    await while_written(url, HOLD, store.settle([done(one.claim)]), id=one.id, step=step.id)
    task = await the_task(store, step.id)
    assert (task.held, task.after) == (Hold.AFTER, two.id)


# The user's own transaction


async def test_a_chain_that_a_transaction_stores_waits_in_its_order(store: TimedStore, url: str):
    worker, joint = await sign_on(store), cast(PostgresStore, store).joint
    chain = a_chain(3)
    with psycopg.connect(url) as connection:
        drive(joint.hand(connection), adding(joint, chain))
        assert await claim_all(store, worker) == []
    for call in chain:
        [task] = await claim_all(store, worker)
        assert (task.id, task.link) == (call.id, call.link)
        await end_all(store, [task])
    assert await store.prune(older_than=timedelta(0), limit=EVERYTHING) == len(chain)


async def test_a_transaction_that_ends_a_run_frees_its_line_and_no_step(store: TimedStore, url: str):
    worker, joint = await sign_on(store), cast(PostgresStore, store).joint
    first, second = a_chain(2)
    await store.add([first, second, follower := a_call(after=first.id)])
    [task] = await claim_all(store, worker)
    with psycopg.connect(url) as connection:
        drive(joint.hand(connection), ending(joint, task.claim, took=timedelta(0), progress=None))
    assert ids_of(await claim_all(store, worker)) == [follower.id]
    assert (await the_task(store, second.id)).held is Hold.AFTER
