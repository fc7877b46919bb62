"""What a worker declares, and how long what it runs is counted."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from afterwards import Afterwards, Retry, State
from afterwards.events import Event, TaskOverruns
from afterwards.tasks import Hold
from tests.rooms.builders import until

SHORT = 0.05

going_on: set[int] = set()
most = 0
let_go = threading.Event()


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    global most
    going_on.clear()
    let_go.clear()
    most = 0
    yield
    let_go.set()  # no thread outlives its test


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'quotas.db'}", retry=Retry.never, grace=0.1)


async def take_a_moment(number: int) -> None:
    global most
    going_on.add(number)
    most = max(most, len(going_on))
    await asyncio.sleep(0.01)
    going_on.discard(number)


def block(number: int) -> None:
    going_on.add(number)
    let_go.wait()


async def held(afterwards: Afterwards) -> dict[Hold, int]:
    return dict((await afterwards.census()).held)


async def test_a_worker_runs_no_more_at_once_than_the_limit_says(afterwards: Afterwards):
    afterwards.task(limit=3)(take_a_moment)
    async with afterwards.opened(worker=True):
        added = [await afterwards.add(take_a_moment, number) for number in range(20)]
        for one in added:
            await afterwards.wait(one.id, timeout=30)
    assert most == 3


async def test_a_drain_waits_for_those_that_wait_for_their_turn(afterwards: Afterwards):
    afterwards.queue("default", limit=2)
    async with afterwards.opened():
        for number in range(8):
            await afterwards.add(take_a_moment, number)
        await afterwards.drain()
        assert (await afterwards.census()).by_state[State.DONE] == 8
    assert most == 2


def declared(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "quotas.db")) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM afterwards_quotas")]


async def test_what_is_declared_after_the_worker_has_signed_on_holds_soon(afterwards: Afterwards, tmp_path: Path):
    async with afterwards.opened(worker=True):
        async with asyncio.timeout(20):
            while not (await afterwards.census()).workers:
                await asyncio.sleep(0.01)
        assert declared(tmp_path) == []
        afterwards.task(limit=1)(block)
        await until(lambda: declared(tmp_path) == ["function:tests.rooms.test_quotas:block"])
        for number in range(2):
            await afterwards.add(block, number)
        async with asyncio.timeout(20):
            while await held(afterwards) != {Hold.LIMIT: 1}:
                await asyncio.sleep(0.01)
        let_go.set()


async def test_a_thread_after_its_timeout_is_counted_until_it_ends(afterwards: Afterwards):
    afterwards.task(limit=1, timeout=SHORT)(block)
    overran: list[Event] = []
    afterwards.hear(overran.append, TaskOverruns)
    async with afterwards.opened(worker=True):
        first, second = [await afterwards.add(block, number) for number in (1, 2)]
        await until(lambda: bool(overran))
        async with asyncio.timeout(20):
            while await held(afterwards) != {Hold.LIMIT: 1}:
                await asyncio.sleep(0.01)
        assert (await afterwards.get(first.id)).state is State.RUNNING
        assert going_on == {1}
        let_go.set()
        assert (await afterwards.wait(first.id, timeout=30)).state is State.FAILED
        assert (await afterwards.wait(second.id, timeout=30)).started is not None
