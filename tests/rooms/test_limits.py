"""`concurrency` and `threads` are limits, whichever way tasks come: by claim, by hand-off, or as followers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards, State
from afterwards.batch import Batch
from afterwards.outcomes import Outcome
from afterwards.tasks import Search, Settled, WorkerCard, WorkerId

now_running: set[int] = set()
most_at_once: list[int] = []
numbers: list[int] = []
color: ContextVar[str] = ContextVar("color", default="none")
colors: list[str] = []


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    for each in (most_at_once, numbers, colors):
        each.clear()


@contextmanager
def counted(number: int) -> Iterator[None]:
    now_running.add(number)
    most_at_once.append(len(now_running))
    try:
        yield
    finally:
        now_running.discard(number)
        numbers.append(number)


async def work(number: int) -> None:
    with counted(number):
        await asyncio.sleep(0.002)


def work_in_thread(number: int) -> None:
    with counted(number):
        time.sleep(0.02)


async def see_color() -> None:
    colors.append(color.get())


async def add_batch(afterwards: Afterwards, first: int, count: int) -> None:
    batch: Batch = afterwards.house.batch()
    for number in range(first, first + count):
        batch.add(work, (number,), {}, afterwards.using()._options)  # noqa: SLF001  # as a door does it
    await batch.commit()
    await batch.release()


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_run_at_once_than_concurrency_says(tmp_path: Path, concurrency: int) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'limits.db'}", concurrency=concurrency)
    async with afterwards.opened(worker=True):
        async with asyncio.TaskGroup() as group:
            for first in range(0, 80, 4):
                group.create_task(add_batch(afterwards, first, 4))
        await afterwards.drain()
    assert sorted(numbers) == list(range(80))
    assert max(most_at_once) <= concurrency


async def test_no_more_def_functions_run_at_once_than_threads_says(tmp_path: Path) -> None:
    already = set(threading.enumerate())  # earlier tests of this process may have left idle threads
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'limits.db'}", threads=2)
    async with afterwards.opened(worker=True):
        for number in range(12):
            await afterwards.using(ordered=False).add(work_in_thread, number)
        await afterwards.drain()
    assert sorted(numbers) == list(range(12))
    assert max(most_at_once) == 2
    assert len(set(threading.enumerate()) - already) < 12


async def test_a_task_does_not_inherit_what_the_adder_had_in_its_context(tmp_path: Path) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'limits.db'}")
    async with afterwards.opened(worker=True):
        color.set("of the request")
        await afterwards.add(see_color)
        await afterwards.drain()
    assert colors == ["none"]


async def test_suspects_run_one_at_a_time_and_each_is_settled_before_the_next_begins(
    tmp_path: Path,
) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'limits.db'}")
    store, gone = afterwards.house.store, WorkerId("gone")
    running_when_settled: list[int] = []
    settle = store.settle

    async def watched(outcomes: Sequence[Outcome], *, claimed_by: WorkerId | None = None) -> Settled:
        running_when_settled.append(len(now_running))
        return await settle(outcomes, claimed_by=claimed_by)

    async with afterwards.opened():
        for number in range(5):
            await afterwards.add(work, number)
        for _ in range(2):
            await store.sign_on(WorkerCard(id=gone, host="x", pid=1, label="x", lease=timedelta(seconds=60)))
            while len(await store.find(Search(state=State.RUNNING), limit=9)) < 5:
                await store.claim(gone, limit=5, suspects=False)
            await store.rescue(known_dead=[gone], expired=False, limit=9)
        assert all(task.suspect for task in await afterwards.find())
    store.settle = watched  # type: ignore[method-assign]  # to look at the moment of the write
    async with afterwards.opened(worker=True):
        async with asyncio.timeout(20):
            while len(numbers) < 5:
                await asyncio.sleep(0.01)
        await afterwards.drain()
    assert max(most_at_once) == 1
    assert running_when_settled == [0] * 5, "the next suspect began before the former was settled"
