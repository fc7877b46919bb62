"""What workers have counted: written with their renewals, and kept when they have gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from afterwards.stores import is_lasting, store_for
from afterwards.tallies import Kind, RunCounts, Tally, added_up
from afterwards.tasks import WorkerId
from tests.contract.builders import EVERYTHING, LEASE, SECOND, TimedStore, sign_on

MAIL: Kind = "app:send", "mail"


def a_tally(done: int, **vitals: int) -> Tally:
    runs = {MAIL: RunCounts(first=1, counts={"done": done, "run:0.5": done, "run:sum": 400_000 * done})}
    return Tally(runs=runs, counts={"lost_leases": done}, vitals=vitals)


def done_in(tallies: Mapping[WorkerId, Tally]) -> int:
    """How many runs are counted as done in all of them; none may be told by one name and not by the other."""
    total = added_up(tallies.values())
    done = total.runs[MAIL].counts["done"] if total.runs else 0
    assert total.counts.get("lost_leases", 0) == done
    return done


async def test_a_store_without_workers_has_counted_nothing(store: TimedStore):
    assert await store.tallies() == {}


async def test_a_renewal_brings_what_the_worker_has_counted(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE)
    assert await store.tallies() == {}
    tally = a_tally(3, lag=250)
    assert not (await store.renew(worker, lease=LEASE, tally=tally)).lost
    assert await store.tallies() == {worker: tally}


async def test_any_name_can_be_counted(store: TimedStore, worker: WorkerId):
    runs = {('app:"odd"\x00\n', "schräg \ud800 \U0001f600"): RunCounts(first=2**53 + 1, counts={"done": 2**70})}
    await store.renew(worker, lease=LEASE, tally=Tally(runs=runs))
    assert (await store.tallies())[worker].runs == runs


async def test_what_is_brought_again_takes_the_place_of_what_was_there(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(3))
    await store.renew(worker, lease=LEASE, tally=a_tally(5))
    await store.renew(worker, lease=LEASE)
    assert await store.tallies() == {worker: a_tally(5)}


async def test_each_worker_has_its_own(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    await store.renew(worker, lease=LEASE, tally=a_tally(3))
    await store.renew(other, lease=LEASE, tally=a_tally(4))
    assert await store.tallies() == {worker: a_tally(3), other: a_tally(4)}


async def test_the_tally_of_a_worker_that_signs_off_stays(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(3))
    await store.sign_off(worker, tally=a_tally(7))
    assert await store.workers() == []
    assert done_in(await store.tallies()) == 7


async def test_one_that_signs_off_without_a_word_keeps_what_it_brought_last(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(3))
    await store.sign_off(worker)
    assert done_in(await store.tallies()) == 3


async def test_a_leaving_worker_goes_on_to_count(store: TimedStore, worker: WorkerId):
    await store.sign_off(worker, leaving=True, tally=a_tally(3))
    assert await store.tallies() == {worker: a_tally(3)}
    await store.renew(worker, lease=LEASE, tally=a_tally(4))
    await store.sign_off(worker, tally=a_tally(5))
    assert done_in(await store.tallies()) == 5


async def test_the_tally_of_a_dead_worker_stays(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(3))
    store.clock_offset += 2 * LEASE
    await store.rescue(known_dead=[], expired=True, limit=EVERYTHING)
    assert await store.workers() == []
    assert done_in(await store.tallies()) == 3


async def test_who_is_lost_adds_nothing_more(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(3))
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert (await store.renew(worker, lease=LEASE, tally=a_tally(9))).lost
    await store.sign_off(worker, tally=a_tally(9))
    await store.sign_off(worker, leaving=True, tally=a_tally(9))
    assert (await store.renew(WorkerId("nobody"), lease=LEASE, tally=a_tally(9))).lost
    assert done_in(await store.tallies()) == 3


async def test_tallies_of_those_who_have_gone_are_put_together_and_no_sum_falls(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(1, lag=7))
    for number in range(20):
        passing = await sign_on(store, f"passing {number}")
        assert done_in(await store.tallies()) == 1 + number
        await store.renew(passing, lease=LEASE, tally=a_tally(1))
        assert done_in(await store.tallies()) == 2 + number
        if number % 2:
            await store.sign_off(passing)
        else:
            await store.rescue(known_dead=[passing], expired=False, limit=EVERYTHING)
        assert done_in(await store.tallies()) == 2 + number
    tallies = await store.tallies()
    assert len(tallies) <= 3
    assert tallies[worker] == a_tally(1, lag=7)


async def test_signing_on_again_leaves_ones_own_tally_alone(store: TimedStore, worker: WorkerId):
    for number in range(3):
        passing = await sign_on(store, f"passing {number}")
        await store.renew(passing, lease=LEASE, tally=a_tally(1))
        await store.sign_off(passing)
    await store.renew(worker, lease=LEASE, tally=a_tally(1))
    await sign_on(store, worker)
    assert (await store.tallies())[worker] == a_tally(1)
    assert done_in(await store.tallies()) == 4


async def test_the_clock_has_no_say_in_it(store: TimedStore, worker: WorkerId):
    await store.renew(worker, lease=LEASE, tally=a_tally(2))
    store.clock_offset += 1_000_000 * SECOND
    await store.rescue(known_dead=[], expired=True, limit=EVERYTHING)
    await sign_on(store, "later")
    assert done_in(await store.tallies()) == 2


async def test_workers_that_come_and_go_at_once_lose_nothing_and_count_nothing_twice(store: TimedStore, url: str):
    elsewhere = cast(TimedStore, store_for(url)) if is_lasting(url) else store
    await elsewhere.open()

    async def come_and_go(name: str, place: TimedStore) -> None:
        for number in range(6):
            worker = await sign_on(place, f"{name} {number}")
            await place.renew(worker, lease=LEASE, tally=a_tally(1))
            await place.sign_off(worker, tally=a_tally(2))

    seen: list[int] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as all_of_them:
        for number in range(4):
            all_of_them.create_task(come_and_go(f"{number}", store if number % 2 else elsewhere))
        while not seen or seen[-1] < 4 * 6 * 2:
            seen.append(done_in(await store.tallies()))
    assert seen == sorted(seen)
    assert seen[-1] == 4 * 6 * 2
    if elsewhere is not store:
        await elsewhere.close()
