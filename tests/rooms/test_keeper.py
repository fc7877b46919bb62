"""The keeper on a real store: it renews in time, at once after a jump of the clock, and goes on after errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterwards.events import Event, Events, LoopFailed
from afterwards.keeper import Keeper
from afterwards.store import Store
from afterwards.tasks import SignedOn, WorkerId
from tests.contract.builders import sign_on
from tests.rooms.builders import AN_HOUR, a_keeper, a_store, let_the_clock_jump, signed_on, until

LEASE = timedelta(seconds=1.5)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = a_store(tmp_path)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def worker(store: Store) -> WorkerId:
    return await sign_on(store, lease=LEASE)


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterwards.keeper.ROUND", 0.02)


async def renewed(store: Store, before: SignedOn) -> SignedOn:
    """The worker as it stands once its lease was prolonged."""
    async with asyncio.timeout(10):
        while (now := await signed_on(store, before.id)).expires == before.expires:
            await asyncio.sleep(0.01)
    return now


async def test_a_lease_is_renewed_long_before_it_ends(store: Store, worker: WorkerId) -> None:
    before = await signed_on(store, worker)
    keeper = a_keeper(store, worker, lease=LEASE)
    keeper.start()
    after = await renewed(store, before)
    await keeper.stopped(10)
    assert after.expires - LEASE < before.expires - LEASE / 4, "two renewals may fail before it ends"


async def test_a_jump_of_the_clock_is_answered_at_once(
    store: Store, worker: WorkerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await signed_on(store, worker)
    keeper = a_keeper(store, worker, lease=AN_HOUR)  # which is renewed in 20 minutes, otherwise
    keeper.start()
    let_the_clock_jump(monkeypatch)
    after = await renewed(store, before)
    await keeper.stopped(10)
    assert after.expires > datetime.now(UTC) + AN_HOUR


async def test_an_unexpected_error_is_said_and_the_lease_is_renewed_all_the_same(
    store: Store, worker: WorkerId
) -> None:
    heard: list[Event] = []
    events = Events()
    events.hear(heard.append, LoopFailed)

    def busy() -> bool:
        raise RuntimeError("nobody knows")

    before = await signed_on(store, worker)
    keeper = a_keeper(store, worker, lease=LEASE, events=events, busy=busy)
    keeper.start()
    await until(lambda: heard)
    await renewed(store, before)
    await keeper.stopped(10)
    assert {(event.loop, str(event.error)) for event in heard if isinstance(event, LoopFailed)} == {
        ("keeper", "nobody knows")
    }


async def test_a_lease_that_is_lost_ends_it(store: Store, worker: WorkerId) -> None:
    lost: list[bool] = []
    keeper = a_keeper(store, worker, lease=LEASE / 10, lost=lambda: lost.append(True))
    await store.sign_off(worker)
    keeper.start()
    await until(lambda: lost)
    await keeper.stopped(10)
    assert not keeper.stay(lambda: True, finishing(lost)), "there is nothing left to keep"
    assert lost == [True]


async def test_it_stays_for_threads_and_finishes_after_them(store: Store, worker: WorkerId) -> None:
    running, finished = [True], list[bool]()
    keeper = started(a_keeper(store, worker, lease=LEASE))
    assert keeper.stay(lambda: bool(running), finishing(finished))
    await renewed(store, await signed_on(store, worker))
    assert not finished
    running.clear()
    await until(lambda: finished)
    await keeper.stopped(10)


async def test_it_finishes_too_when_the_lease_is_lost_while_it_stays(store: Store, worker: WorkerId) -> None:
    lost, finished = list[bool](), list[bool]()
    keeper = started(a_keeper(store, worker, lease=LEASE / 10, lost=lambda: lost.append(True)))
    assert keeper.stay(lambda: True, finishing(finished))
    await store.sign_off(worker)
    await until(lambda: finished)
    await keeper.stopped(10)
    assert not lost, "the worker has left, so that nobody is to be told"


def started(keeper: Keeper) -> Keeper:
    keeper.start()
    return keeper


def finishing(finished: list[bool]) -> Callable[[], Awaitable[None]]:
    async def finish() -> None:
        finished.append(True)

    return finish
