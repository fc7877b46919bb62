"""A store in a cluster, and one whose master a sentinel watches: redirections and failovers under load."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.outcomes import done
from afterwards.stores import examine, store_for
from afterwards.tasks import Search, State, Task, TaskId
from tests import redis_groups, servers
from tests.contract.builders import LEASE, TimedStore, a_call, claim_all, sign_on, some_calls
from tests.redis_groups import Cluster, Watched

PATIENCE = timedelta(seconds=5)
TAG = "alpha"  # in the first third of the slots: its owner has a replica
REPLICATED_WITHIN = 1.0  # seconds: what was acknowledged longer ago, every replica has
RESUMES_WITHIN = 15.0  # seconds: the servers themselves take several to agree on a new master


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with redis_groups.cluster(masters=3, replicas=1) as cluster:
        yield cluster


@pytest.fixture
def watched() -> Iterator[Watched]:
    with redis_groups.watched() as watched:
        yield watched


def opened(url: str) -> TimedStore:
    return cast(TimedStore, store_for(url, add_timeout=PATIENCE))


class Load:
    """Adds, claims and settles without pause, and notes what the store acknowledged."""

    def __init__(self, url: str) -> None:
        self.store = opened(url)
        self.added: dict[TaskId, float] = {}
        self.ran: list[TaskId] = []
        self.refusals = 0

    @asynccontextmanager
    async def going_on(self):
        """While the block runs."""
        await self.store.open()
        loops = [asyncio.ensure_future(loop()) for loop in (self._add, self._add, self._work)]
        yield self
        for one in loops:
            one.cancel()
        results = await asyncio.gather(*loops, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 3, results

    async def progress(self, what: str) -> None:
        """Wait until more has been added and run than now."""
        added, ran, began = len(self.added), len(self.ran), time.monotonic()
        while len(self.added) < added + 20 or len(self.ran) < ran + 20:
            assert time.monotonic() - began < RESUMES_WITHIN, what
            await asyncio.sleep(0.02)

    async def _add(self) -> None:
        while True:
            call = a_call()
            try:
                await self.store.add([call])
                self.added[call.id] = time.monotonic()
            except StoreUnavailable:
                self.refusals += 1
            await asyncio.sleep(0.002)

    async def _work(self) -> None:
        worker = await sign_on(self.store)
        waiting: list[Task] = []
        while True:
            try:
                if not waiting:
                    waiting = await self.store.claim(worker, limit=10, suspects=True)
                settled = await self.store.settle([done(task.claim) for task in waiting])
                self.ran += [claim.id for claim in settled.held]
                waiting = []
                if (await self.store.renew(worker, lease=LEASE)).lost:
                    worker = await sign_on(self.store, f"worker {time.monotonic()}")
            except StoreUnavailable:
                self.refusals += 1
            await asyncio.sleep(0.002)

    async def ends(self, *, may_lose_since: float = float("inf")) -> None:
        """Run what is left, and check that nothing was lost, unless it was acknowledged at the time of a failover."""
        last = await sign_on(self.store, "last")
        for worker in await self.store.workers():
            if worker.id != last:
                await self.store.sign_off(worker.id)
        while tasks := await claim_all(self.store, last):
            self.ran += [claim.id for claim in (await self.store.settle([done(task.claim) for task in tasks])).held]
        kept = {task.id for task in await self.store.find(Search(state=State.DONE), limit=1_000_000)}
        lost = {id: at for id, at in self.added.items() if id not in kept}
        assert [at for at in lost.values() if at < may_lose_since] == [], "what was acknowledged is there, and has run"
        if may_lose_since == float("inf"):
            assert len(set(self.ran)) == len(self.ran), "each to its end once"
        await self.store.close()


async def test_a_cluster_is_a_store_as_any_other(cluster: Cluster):
    store = opened(f"{cluster.url}?tag=plain")
    worker = await sign_on(store)
    await store.add(some_calls(5))
    tasks = await claim_all(store, worker)
    assert len((await store.settle([done(task.claim) for task in tasks])).held) == 5
    assert (await store.census()).by_state[State.DONE] == 5
    await store.close()


async def test_all_keys_of_a_store_lie_on_one_server(cluster: Cluster):
    store = opened(f"{cluster.url}?tag={TAG}")
    await store.add(some_calls(5))
    sizes = [cast(int, redis_groups.asked(server, "DBSIZE")) for server in cluster.masters]
    owner = cluster.masters.index(cluster.owner(TAG))
    for number, server in enumerate(cluster.masters):
        keys = cast("list[str]", redis_groups.asked(server, "KEYS", f"{{{TAG}}}:*"))
        assert bool(keys) is (number == owner)
    assert sizes[owner] > 0
    await store.close()


async def test_a_store_that_is_moved_to_another_server_goes_on_under_load(cluster: Cluster):
    tag = "moving"
    target = next(server for server in cluster.masters if server is not cluster.owner(tag))
    async with Load(f"{cluster.url}?tag={tag}").going_on() as load:
        await load.progress("it begins")
        await asyncio.to_thread(cluster.move_slot, tag, target)
        await load.progress("it goes on where the keys are now")
    await load.ends()


async def test_adds_wait_while_the_keys_are_on_their_way(cluster: Cluster):
    tag = "halfway"
    target = next(server for server in cluster.masters if server is not cluster.owner(tag))
    store = opened(f"{cluster.url}?tag={tag}")
    await store.add([a_call()])
    adding: list[concurrent.futures.Future[object]] = []
    loop = asyncio.get_running_loop()

    def add() -> None:
        adding.append(asyncio.run_coroutine_threadsafe(store.add([a_call()]), loop))

    await asyncio.to_thread(cluster.move_slot, tag, target, halfway=add)
    await asyncio.wrap_future(adding[0])
    assert len(await store.find(Search(), limit=10)) == 2
    await store.close()


async def test_a_replica_takes_over_in_a_cluster_and_work_resumes(cluster: Cluster):
    owner = cluster.owner(TAG)
    assert owner is cluster.masters[0], "that has a replica"
    async with Load(f"{cluster.url}?tag={TAG}").going_on() as load:
        await load.progress("it begins")
        killed_at = time.monotonic()
        owner.kill()
        await load.progress("it resumes on the replica")
    await load.ends(may_lose_since=killed_at - REPLICATED_WITHIN)
    await asyncio.to_thread(owner.start)


async def test_a_replica_takes_over_by_the_sentinels_word_and_work_resumes(watched: Watched):
    async with Load(watched.url).going_on() as load:
        await load.progress("it begins")
        killed_at = time.monotonic()
        watched.master.kill()
        await load.progress("it resumes on the replica")
    await load.ends(may_lose_since=killed_at - REPLICATED_WITHIN)


async def test_a_failover_loses_nothing_of_what_a_replica_had_confirmed(watched: Watched):
    async with Load(f"{watched.url}?replicas=1").going_on() as load:
        await load.progress("it begins")
        watched.master.kill()
        await asyncio.to_thread(redis_groups.until, lambda: is_master(watched.replica), "the replica takes over")
        await asyncio.to_thread(watched.master.start)
        redis_groups.asked(watched.master, "REPLICAOF", "127.0.0.1", redis_groups.port_of(watched.replica))
        await load.progress("it resumes when there is a replica again, which can confirm")
    await load.ends()


def is_master(server: servers.Server) -> bool:
    return cast("list[object]", redis_groups.asked(server, "ROLE"))[0] == "master"


async def test_a_check_of_sentinel_and_cluster_says_what_a_failover_loses(cluster: Cluster, watched: Watched):
    for url in (f"{cluster.url}?tag=looked", watched.url):
        checkup = await asyncio.to_thread(examine, url)
        assert not checkup.unreadable
        assert any("failover loses" in finding.says for finding in checkup.findings)
        store = opened(url)
        await store.open()
        assert [warning for warning in store.warnings() if "replicas=1" in warning]
        await store.close()
