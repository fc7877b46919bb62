"""`current_task().cancelled`: what a function in a thread, which nothing can stop, may ask."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from afterwards import Afterwards, Retry, State, current_task
from tests.rooms.builders import until

seen: list[object] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'cancelled.db'}", grace=0.1)


def work_until_asked(*, gives_up: bool) -> None:
    seen.append(current_task().cancelled)
    ends = time.monotonic() + 20
    while not current_task().cancelled and time.monotonic() < ends:
        time.sleep(0.005)
    seen.append(current_task().cancelled)
    if gives_up:
        raise InterruptedError("it was asked to stop")


async def clean_up_and_tell() -> None:
    seen.append(current_task().cancelled)
    try:
        await asyncio.Event().wait()
    finally:
        seen.append(current_task().cancelled)


@pytest.mark.parametrize(("gives_up", "state"), [(True, State.CANCELLED), (False, State.DONE)])
async def test_a_function_in_a_thread_sees_that_it_was_cancelled(
    afterwards: Afterwards, *, gives_up: bool, state: State
) -> None:
    async with afterwards.opened(worker=True):
        task = await afterwards.add(work_until_asked, gives_up=gives_up)
        await until(lambda: seen)
        await afterwards.cancel(task.id)
        ended = await afterwards.wait(task.id, timeout=10)
    assert ended.state is state
    assert (seen, ended.run) == ([False, True], 1)


async def test_it_sees_that_its_timeout_is_over(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task = await afterwards.using(timeout=0.05, retry=Retry.never).add(work_until_asked, gives_up=True)
        ended = await afterwards.wait(task.id, timeout=10)
        await until(lambda: len(seen) == 2)
    assert ended.error is not None
    assert (ended.error.kind, seen) == ("afterwards.errors.TimedOut", [False, True])


async def test_it_sees_that_its_worker_stops(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        await afterwards.add(work_until_asked, gives_up=True)
        await until(lambda: seen)
    await until(lambda: len(seen) == 2)
    assert seen == [False, True]


async def test_an_async_task_sees_it_in_its_clean_up(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        task = await afterwards.add(clean_up_and_tell)
        await until(lambda: seen)
        await afterwards.cancel(task.id)
        ended = await afterwards.wait(task.id, timeout=10)
    assert (ended.state, seen) == (State.CANCELLED, [False, True])
