"""A worker that rests: it claims nothing more, and lets what runs come to its end, however long that takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from afterwards import Afterwards, State
from afterwards.worker import Worker
from tests.rooms.builders import until, url_in

seen: list[str] = []
may_end: list[bool] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()
    may_end.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=url_in(tmp_path), grace=0.05)


async def wait_to_end(name: str) -> None:
    seen.append(name)
    await until(lambda: may_end)


async def note(name: str) -> None:
    seen.append(name)


async def add_another(afterwards_url: str, name: str) -> None:
    seen.append(name)
    await until(lambda: may_end)
    await OTHERS[afterwards_url].add(note, "added by a task")


OTHERS: dict[str, Afterwards] = {}


async def begin_to_rest(worker: Worker | None, group: asyncio.TaskGroup) -> asyncio.Task[None]:
    """Returns once the worker claims nothing more."""
    assert worker is not None
    resting = group.create_task(worker.rest())
    await asyncio.sleep(0)
    return resting


async def test_it_lets_what_runs_end_past_its_grace_and_claims_nothing_more(afterwards: Afterwards):
    house = afterwards.house
    async with house.opened(), house.working() as worker, asyncio.TaskGroup() as group:
        await afterwards.add(wait_to_end, "runs")
        await until(lambda: seen == ["runs"])
        resting = await begin_to_rest(worker, group)
        waiting = await afterwards.add(note, "comes too late")
        await asyncio.sleep(0.3)  # past its grace, and past several looks at the store
        assert not resting.done()
        may_end.append(True)
        await resting
        assert (await afterwards.get(waiting.id)).state is State.WAITING
    assert seen == ["runs"]
    async with afterwards.opened():
        [late, done] = await afterwards.find()
    assert (late.state, late.attempt, done.state, done.attempt) == (State.WAITING, 0, State.DONE, 1)


async def test_what_a_running_task_adds_is_left_to_others(afterwards: Afterwards):
    OTHERS["here"] = afterwards
    house = afterwards.house
    async with house.opened(), house.working() as worker, asyncio.TaskGroup() as group:
        await afterwards.add(add_another, "here", "runs")
        await until(lambda: seen == ["runs"])
        resting = await begin_to_rest(worker, group)
        may_end.append(True)
        await resting
    assert seen == ["runs"]
    async with afterwards.opened(worker=True):
        await until(lambda: seen == ["runs", "added by a task"])


async def test_one_with_nothing_to_do_rests_at_once(afterwards: Afterwards):
    house = afterwards.house
    async with house.opened(), house.working() as worker, asyncio.timeout(5):
        assert worker is not None
        await worker.rest()


async def test_a_stop_ends_the_rest_and_gives_back_what_runs(afterwards: Afterwards):
    house = afterwards.house
    async with asyncio.TaskGroup() as group:
        async with house.opened(), house.working() as worker:
            await afterwards.add(wait_to_end, "runs")
            await until(lambda: seen == ["runs"])
            resting = await begin_to_rest(worker, group)
            await asyncio.sleep(0)
        await asyncio.wait_for(resting, 5)
    async with afterwards.opened():
        [task] = await afterwards.find()
    assert (task.state, task.attempt) == (State.WAITING, 0)
