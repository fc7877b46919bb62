"""What workers count: from what happens in their process, into the store, with each renewal and at the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards, Again, Retry
from afterwards.counting import Counting, Sheet
from afterwards.errors import StoreUnavailable
from afterwards.events import (
    ClaimsStrayed,
    Events,
    LateAddFailed,
    LeaseWasLost,
    LoopFailed,
    ResultsDropped,
    StoreAway,
    TaskOverruns,
    TasksRescued,
)
from afterwards.outcomes import Ending
from afterwards.store import Store
from afterwards.tallies import LAG, RUN, WAIT, Tally, added_up
from afterwards.tasks import Task, WorkerId
from tests.contract.builders import EVERYTHING, a_call, a_running_task, claim_all, outcome, sign_on
from tests.rooms.builders import a_keeper, a_store, until, url_in

began, may_end = threading.Event(), threading.Event()


async def work(number: int) -> int:
    return number


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def fail() -> None:
    raise ValueError("no")


async def come_back() -> None:
    if not began.is_set():
        began.set()
        raise Again(after=0)


async def block(seconds: float) -> None:
    threading.Event().wait(seconds)


def stay_in_thread() -> None:
    began.set()
    may_end.wait(20)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    began.clear()
    may_end.clear()
    yield
    may_end.set()


def an_instance(folder: Path, **options: object) -> Afterwards:
    return Afterwards(url=url_in(folder), **{"lease": 0.3, "retry": Retry.never, **options})  # type: ignore[arg-type]  # as said


async def counted(store: Store) -> Tally:
    return added_up((await store.tallies()).values())


async def left(folder: Path) -> Tally:
    """What those who worked there have left."""
    store = a_store(folder)
    await store.open()
    tally = await counted(store)
    await store.close()
    return tally


def endings(tally: Tally, function: str) -> dict[str, int]:
    """Of the runs of one function of this file, however they ended."""
    [counts] = [its.counts for (name, _), its in tally.runs.items() if name == f"{__name__}:{function}"]
    return {ending: counts[ending] for ending in Ending if counts.get(ending)}


async def test_a_clean_stop_leaves_every_run_counted(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path, retry=Retry(attempts=3, first=0.01))
    async with afterwards.opened(worker=True):
        for number in range(25):
            await afterwards.add(work, number)
        await afterwards.using(queue="mail").add(sleep, 0.12)
        failing = await afterwards.add(fail)
        await afterwards.add(come_back)
        await afterwards.wait(failing.id)  # between its attempts nothing is due
        await afterwards.drain()
    tally = await left(tmp_path)
    assert endings(tally, "work") == {"done": 25}
    assert endings(tally, "fail") == {"retried": 2, "failed": 1}
    assert endings(tally, "come_back") == {"again": 1, "done": 1}
    slept = tally.runs[f"{__name__}:sleep", "mail"].counts
    ran, waited = RUN.read(slept), WAIT.read(slept)
    assert (ran.count, waited.count) == (1, 1)
    assert timedelta(seconds=0.12) <= ran.sum < timedelta(seconds=5)
    assert sum(RUN.read(its.counts).count for its in tally.runs.values()) == 25 + 1 + 3 + 2


async def test_how_long_a_task_waited_counts_from_when_it_was_due(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path, worker=False)
    async with afterwards.opened():
        await afterwards.using(delay=0.5).add(work, 1)
        await afterwards.add(work, 2)
        await asyncio.sleep(0.6)  # so long both of them wait, but for one it is not time yet
        await afterwards.drain()
    waited = WAIT.read(next(iter((await left(tmp_path)).runs.values())).counts)
    assert waited.count == 2
    assert timedelta(seconds=0.6) <= waited.sum < timedelta(seconds=1.1)


async def test_what_is_counted_is_told_while_the_worker_works(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path)
    async with afterwards.opened(worker=True):
        for number in (1, 2):
            await afterwards.add(work, number)
            async with asyncio.timeout(10):
                while sum(its.counts["done"] for its in (await counted(afterwards.house.store)).runs.values()) < number:
                    await asyncio.sleep(0.01)
        [tally] = (await afterwards.house.store.tallies()).values()
    assert endings(tally, "work") == {"done": 2}
    assert tally.vitals.keys() == {"lag", "lost_leases"}


async def test_a_blocked_loop_is_told_before_it_goes_on(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path)
    store = a_store(tmp_path)
    working = threading.Thread(target=lambda: asyncio.run(stuck(afterwards)))
    working.start()
    await store.open()
    longest = 0
    async with asyncio.timeout(20):
        while longest < 500_000:
            longest = max([longest, *(tally.vitals["lag"] for tally in (await store.tallies()).values())])
            await asyncio.sleep(0.02)
    assert not may_end.is_set()
    may_end.set()
    await asyncio.to_thread(working.join)
    assert LAG.read((await counted(store)).counts).sum >= timedelta(seconds=0.5)
    await store.close()


async def stuck(afterwards: Afterwards) -> None:
    """A worker whose event loop stands still until it may go on."""
    async with afterwards.opened(worker=True):
        await afterwards.add(work, 1)
        await afterwards.drain()
        may_end.wait(20)


async def test_a_thread_that_outlives_its_worker_is_counted_at_its_end(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path, grace=0.0)
    async with afterwards.opened(worker=True):
        await afterwards.add(work, 1)
        await afterwards.drain()
        await afterwards.add(stay_in_thread)
        await until(began.is_set)
    store = a_store(tmp_path)
    async with asyncio.timeout(20):
        while not (await counted(store)).runs:
            await asyncio.sleep(0.01)
    assert endings(await counted(store), "work") == {"done": 1}
    may_end.set()
    async with asyncio.timeout(20):
        while await store.workers():
            await asyncio.sleep(0.01)
    assert endings(await counted(store), "work") == {"done": 1}
    await store.close()


async def test_a_worker_that_was_believed_dead_begins_a_new_tally(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path)
    store = afterwards.house.store
    async with afterwards.opened(worker=True):
        await afterwards.add(work, 1)
        await afterwards.drain()
        async with asyncio.timeout(10):
            while not (await counted(store)).runs:
                await asyncio.sleep(0.01)
        [before] = [worker.id for worker in await store.workers()]
        await store.rescue(known_dead=[before], expired=False, limit=EVERYTHING)
        async with asyncio.timeout(10):
            while not (now := [worker.id for worker in await store.workers() if worker.id != before]):
                await asyncio.sleep(0.01)
        await afterwards.add(work, 2)
        await afterwards.drain()
        async with asyncio.timeout(10):
            while not (tally := (await store.tallies()).get(now[0], Tally())).vitals.get("lost_leases"):
                await asyncio.sleep(0.01)
    assert tally.counts["lost_leases"] == 1
    assert endings(await left(tmp_path), "work") == {"done": 2}


async def test_two_workers_of_one_process_count_each_run_once(tmp_path: Path) -> None:
    afterwards = an_instance(tmp_path)
    async with afterwards.opened(worker=True):
        for number in range(10):
            await afterwards.add(work, number)
        await asyncio.to_thread(lambda: asyncio.run(some_more(afterwards)))
        await afterwards.drain()
    assert endings(await left(tmp_path), "work") == {"done": 20}


async def some_more(afterwards: Afterwards) -> None:
    """In another loop, where the same house has a second worker."""
    async with afterwards.opened(worker=True):
        for number in range(10):
            await afterwards.add(work, number)
        await afterwards.drain()


async def test_a_renewal_that_is_refused_is_made_up_for_by_the_next(tmp_path: Path) -> None:
    events = Events()
    sheet = Sheet(Counting(events), asyncio.get_running_loop())
    store = a_store(tmp_path)
    await store.open()
    worker = await sign_on(store)
    refused = Refusing(store, times=2)
    keeper = a_keeper(refused, worker, lease=timedelta(seconds=0.1), events=events, sheet=sheet)  # type: ignore[arg-type]  # all that it asks for
    keeper.start()
    async with asyncio.timeout(10):
        while not (await counted(store)).counts:
            await asyncio.sleep(0.01)
    await keeper.stopped(10)
    assert (await counted(store)).counts["store_outages:renew"] == 1
    await store.close()


class Refusing:
    """A store that cannot be reached a few times."""

    def __init__(self, store: Store, *, times: int) -> None:
        self._store, self._times = store, times

    async def renew(self, worker: WorkerId, *, lease: timedelta, tally: Tally) -> object:
        if self._times > 0:
            self._times -= 1
            raise StoreUnavailable("nobody there")
        return await self._store.renew(worker, lease=lease, tally=tally)


async def test_what_happens_beside_runs_is_counted_by_name(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.open()
    worker = await sign_on(store)
    task = await a_running_task(store, worker)
    events, error = Events(), ValueError("no")
    counting = Counting(events)
    rescued = await rescued_tasks(store)
    for event in (
        TasksRescued(tasks=rescued),
        ResultsDropped(claims=(task.claim, task.claim)),
        ClaimsStrayed(claims=(task.claim,)),
        LateAddFailed(ids=(task.id, task.id, task.id), error=error),
        LeaseWasLost(worker=worker),
        StoreAway(doing="claim", error=error),
        StoreAway(doing="claim", error=error),
        LoopFailed(loop="janitor", error=error),
        TaskOverruns(task=task),
    ):
        events.say(event)
    tally = counting.take()
    assert dict(tally.counts) == {
        "rescued_tasks:waiting": 1,
        "rescued_tasks:failed": 1,
        "dropped_results": 2,
        "strayed_claims": 1,
        "failed_late_adds": 3,
        "lost_leases": 1,
        "store_outages:claim": 2,
        "loop_errors:janitor": 1,
        "overruns": 1,
    }
    assert (counting.take(), counting.lost_leases) == (Tally(), 1)
    await store.close()


async def rescued_tasks(store: Store) -> tuple[Task, ...]:
    """One that waits again, and one that has failed as poison."""
    poison = a_call(crashes=0)
    await store.add([a_call(), poison])
    casualty = await sign_on(store, "casualty")
    claimed = await claim_all(store, casualty)
    await store.settle([outcome(task.claim, Ending.RETURNED) for task in claimed[2:]])
    return tuple(await store.rescue(known_dead=[casualty], expired=False, limit=EVERYTHING))


FORKING = """
import os
from afterwards.counting import Counting
from afterwards.events import Events, StoreAway

events = Events()
counting = Counting(events)
events.say(StoreAway(doing="claim", error=ValueError()))
child = os.fork()
if child == 0:
    before = dict(counting.take().counts)
    events.say(StoreAway(doing="add", error=ValueError()))
    print(before, dict(counting.take().counts), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(dict(counting.take().counts))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_what_a_process_counted_before_it_forked_is_told_by_the_parent_alone() -> None:
    told = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60)
    child, parent = told.stdout.splitlines()
    assert child == "{} {'store_outages:add': 1}"
    assert parent == "{'store_outages:claim': 1}"
