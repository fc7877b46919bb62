"""Several event loops in one process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from afterwards.tasks import Search, State, TaskId, Woken, WorkerId
from tests.contract.builders import TimedStore, a_call, claim_all, end_all, ids_of, some_calls


def in_another_loop(work: Callable[[], Awaitable[object]]) -> threading.Thread:
    async def run() -> None:
        await work()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    return thread


async def joined(threads: list[threading.Thread]) -> None:
    for thread in threads:
        await asyncio.to_thread(thread.join)


async def test_adds_from_several_loops_are_all_stored(store: TimedStore):
    batches = [some_calls(20) for _ in range(4)]

    async def add_all(batch_number: int) -> None:
        await asyncio.gather(*(store.add([call]) for call in batches[batch_number]))

    threads = [in_another_loop(lambda number=number: add_all(number)) for number in range(3)]  # type: ignore[misc]  # bound now
    await add_all(3)
    await joined(threads)
    expected = {call.id for batch in batches for call in batch}
    assert set(ids_of(await store.find(Search(), limit=1000))) == expected


async def test_a_waiter_is_woken_by_a_write_from_another_loop(store: TimedStore, worker: WorkerId):
    waiting = asyncio.ensure_future(store.wait(worker, timeout=20.0, suspects=True))
    await asyncio.sleep(0.1)
    await joined([in_another_loop(lambda: store.add([a_call()]))])
    async with asyncio.timeout(5):
        assert await waiting is Woken.READY


async def test_every_verb_works_from_another_loop(store: TimedStore, worker: WorkerId):
    async def whole_life() -> None:
        await store.open()
        await store.add(some_calls(3))
        assert await store.wait(worker, timeout=1.0, suspects=True) is Woken.READY
        await end_all(store, await claim_all(store, worker))
        await store.census()

    await joined([in_another_loop(whole_life)])
    assert (await store.census()).by_state["done"] == 3  # type: ignore[index]  # a State is its string


@pytest.mark.parametrize("hand_off", [False, True])
async def test_a_loop_that_closed_before_its_answer_came_harms_nobody(
    store: TimedStore, worker: WorkerId, hand_off: bool
):
    heard: set[TaskId] = set()

    async def add() -> None:
        added = await store.add(some_calls(5), claimed_by=worker if hand_off else None)
        heard.update(one.id for one in added if one.claimed)

    async def leave_early() -> None:
        await asyncio.wait([asyncio.ensure_future(add())], timeout=0)

    for _ in range(5):
        await joined([in_another_loop(leave_early)])
    await store.add([a_call()])
    await store.open()  # after what is given back
    running = await store.find(Search(state=State.RUNNING), limit=100)
    assert set(ids_of(running)) == heard
