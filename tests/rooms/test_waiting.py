"""Those who wait for tasks to end, on a real store: one look for all, none left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import cast

import pytest

from afterwards import Afterwards, State, StoreUnavailable, UnknownTask
from afterwards.ids import new_id
from afterwards.store import Store
from afterwards.tasks import Search, Task, TaskId, WorkerId
from afterwards.waiting import Waiting
from tests.contract.builders import a_call, claim_all, end_all, ids_of, sign_on, some_calls
from tests.rooms.builders import a_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = a_store(tmp_path)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def worker(store: Store) -> WorkerId:
    return await sign_on(store)


class Counting:
    """A store whose looks are counted; `away` while it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.looks = 0
        self.away = False

    async def states(self, ids: Collection[TaskId]) -> dict[TaskId, State]:
        self.looks += 1
        await asyncio.sleep(0)  # as every store takes its time
        if self.away:
            raise StoreUnavailable("it is away")
        return await self._store.states(ids)

    async def find(self, search: Search, *, limit: int) -> list[Task]:
        return await self._store.find(search, limit=limit)


def a_waiting(counting: Counting) -> Waiting:
    return Waiting(lambda: cast(Store, counting))


async def test_a_thousand_who_wait_cost_one_look_at_a_time(store: Store, worker: WorkerId):
    calls = some_calls(1_000)
    await store.add(calls)
    counting = Counting(store)
    waiting_here = a_waiting(counting)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waiting = [group.create_task(waiting_here.ended([call.id])) for call in calls]
        while not counting.looks:
            await asyncio.sleep(0.01)
        await end_all(store, await claim_all(store, worker))
        ended = await asyncio.gather(*waiting)
    assert [task.id for [task] in ended] == ids_of(calls)
    assert counting.looks < 100


async def test_they_come_in_the_order_that_was_asked_for(store: Store, worker: WorkerId):
    one, two = some_calls(2)
    await store.add([one, two])
    await end_all(store, await claim_all(store, worker))
    assert ids_of(await a_waiting(Counting(store)).ended([two.id, one.id, two.id])) == [two.id, one.id, two.id]


async def test_an_id_that_found_its_twin_is_waited_for_as_that(store: Store, worker: WorkerId):
    holder, twin = a_call(key="k"), a_call(key="k")
    await store.add([holder, twin])
    await end_all(store, await claim_all(store, worker))
    assert ids_of(await a_waiting(Counting(store)).ended([twin.id, holder.id])) == [holder.id, holder.id]


async def test_who_gives_up_hands_the_looking_on(store: Store, worker: WorkerId):
    one, two = some_calls(2)
    await store.add([one, two])
    waiting_here = a_waiting(Counting(store))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        first = group.create_task(waiting_here.ended([one.id]))
        second = group.create_task(waiting_here.ended([two.id]))
        await asyncio.sleep(0)
        first.cancel()
        await end_all(store, await claim_all(store, worker))
        [task] = await second
    assert task.id == two.id


async def test_an_unknown_id_is_said_to_the_one_who_asked_and_to_nobody_else(store: Store, worker: WorkerId):
    call, unknown = a_call(), new_id()
    await store.add([call])
    waiting_here = a_waiting(Counting(store))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(waiting_here.ended([call.id]))
        with pytest.raises(UnknownTask, match=str(unknown)):
            await waiting_here.ended([unknown])
        await end_all(store, await claim_all(store, worker))
        await waiting


async def test_a_store_that_is_away_is_said_to_all_at_once(store: Store):
    calls = some_calls(20)
    await store.add(calls)
    counting = Counting(store)
    counting.away = True
    waiting_here = a_waiting(counting)
    answers = await asyncio.gather(*(waiting_here.ended([call.id]) for call in calls), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    assert counting.looks == 1


async def test_waiting_for_nothing_ends_at_once(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}")
    assert await afterwards.wait_all([]) == []


async def test_it_ends_with_its_timeout(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", worker=False)
    async with afterwards.opened():
        handle = await afterwards.add(print, "never")
        with pytest.raises(TimeoutError):
            await afterwards.wait_all([handle.id], timeout=0.05)


@pytest.mark.parametrize("ids", ["no ids", 3, ["abc"]])
async def test_what_is_no_list_of_ids_is_refused_in_words(tmp_path: Path, ids: object):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}")
    with pytest.raises(ValueError, match=r"handle\.id"):
        await afterwards.wait_all(ids)  # type: ignore[arg-type]  # the nonsense
