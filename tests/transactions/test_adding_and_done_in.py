"""What a task adds through its `BackgroundTasks` is stored by the transaction that settles the task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends

from afterwards import SOLVED, Afterwards, BackgroundTasks, Retry, State, Task, current_task
from afterwards.events import Event, FailedAfterDone
from tests.transactions import settling, tasks
from tests.transactions.conftest import people_in
from tests.transactions.kinds import KINDS, SYNCHRONOUS, Dealing
from tests.transactions.settling import Ways, commit, forget_to_commit, roll_back

Shape = Callable[..., Any]


@pytest.fixture
async def afterwards(url: str) -> AsyncIterator[Afterwards]:
    async with Afterwards(url=url, worker=False, retry=Retry(first=0.01)).opened() as afterwards:
        yield afterwards


@pytest.fixture
def ways(kind: str, url: str) -> Iterator[Ways]:
    settling.ways[:] = [Ways(url, KINDS[kind], [commit])]
    yield settling.ways[0]
    settling.ways.clear()


async def dealing() -> AsyncIterator[Dealing]:
    """What a user's own dependency for a session does: it commits when the task has ended well."""
    [way] = settling.ways
    then = way.next()
    async with way.opening(way.url) as dealing:
        yield dealing
        await then(dealing)


async def follow(name: str) -> None:
    tasks.ran.append(name)


async def register(
    name: str, background_tasks: BackgroundTasks = SOLVED, it: Annotated[Dealing, Depends(dealing)] = SOLVED
) -> None:
    background_tasks.add_task(follow, f"{name} one")
    await it.write(name)
    background_tasks.add_task(follow, f"{name} two")
    await current_task().done_in(it.transaction)


async def register_and_add_late(
    name: str, background_tasks: BackgroundTasks = SOLVED, it: Annotated[Dealing, Depends(dealing)] = SOLVED
) -> None:
    background_tasks.add_task(follow, name)
    await it.write(name)
    await current_task().done_in(it.transaction)
    background_tasks.add_task(follow, "never")


def register_in_thread(name: str, background_tasks: BackgroundTasks = SOLVED) -> None:
    [way] = settling.ways

    async def work() -> None:
        async with way.opening(way.url) as dealing:
            background_tasks.add_task(follow, name)
            await dealing.write(name)
            current_task().done_in_sync(dealing.transaction)
            await way.next()(dealing)

    asyncio.run(work())


async def run(afterwards: Afterwards, shape: Shape) -> Task:
    added = await afterwards.add(shape, "Ann")
    async with asyncio.timeout(20):
        while True:
            await afterwards.drain()
            task = await afterwards.get(added.id)
            if task.state.ended:
                await afterwards.drain()  # it may have ended while the last one was about to return
                return task
            await asyncio.sleep(0.01)


async def test_the_commit_stores_what_was_added(afterwards: Afterwards, ways: Ways, url: str):
    task = await run(afterwards, register)
    assert (task.state, task.attempt, people_in(url)) == (State.DONE, 1, {"Ann"})
    assert sorted(tasks.ran) == ["Ann one", "Ann two"], "in a transaction they stand outside of any order"
    assert len(await afterwards.find()) == 3


@pytest.mark.parametrize("kind", SYNCHRONOUS, indirect=True)
async def test_so_it_does_in_a_thread(afterwards: Afterwards, ways: Ways, url: str):
    task = await run(afterwards, register_in_thread)
    assert (task.state, people_in(url), tasks.ran) == (State.DONE, {"Ann"}, ["Ann"])
    assert len(await afterwards.find()) == 2


@pytest.mark.parametrize("then", [roll_back, forget_to_commit])
async def test_a_rollback_stores_nothing_of_it(afterwards: Afterwards, ways: Ways, url: str, then: Any):
    ways.then[:] = [then, commit]
    task = await run(afterwards, register)
    assert (task.state, task.attempt, people_in(url)) == (State.DONE, 2, {"Ann"})
    assert sorted(tasks.ran) == ["Ann one", "Ann two"]
    assert len(await afterwards.find()) == 3


async def test_what_is_added_too_late_is_refused(afterwards: Afterwards, ways: Ways, url: str):
    """Its error rolls back here, since the commit stands behind the task; all is tried again until it gives up."""
    heard: list[Event] = []
    afterwards.hear(heard.append, FailedAfterDone)
    task = await run(afterwards, register_and_add_late)
    assert task.error is not None
    assert (task.state, task.error.kind) == (State.FAILED, "afterwards.errors.RequestEnded")
    assert "or task has ended" in task.error.message
    assert (people_in(url), tasks.ran, heard, len(await afterwards.find())) == (set(), [], [], 1)
