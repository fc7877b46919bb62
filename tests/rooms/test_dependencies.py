"""The dependencies of a task that is interrupted, and those that run in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends

from afterwards import Afterwards, BackgroundTasks, State, Task
from afterwards.events import Event, LoopFailed, TaskResists
from afterwards.first_run import first_run
from afterwards.how import AS_DECORATED
from afterwards.outcomes import Ending
from afterwards.runner import Runner
from afterwards.tasks import WorkerId
from tests.rooms.builders import a_store, until, url_in

Shape = Callable[..., Any]

lines: list[str] = []
may_go_on = threading.Event()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    lines.clear()
    may_go_on.clear()
    yield
    may_go_on.set()


def an_instance(folder: Path, *, grace: float = 0.0, **options: Any) -> Afterwards:
    return Afterwards(url=url_in(folder), grace=grace, **options)


async def opened_async() -> AsyncIterator[None]:
    lines.append("opened async")
    try:
        yield
    except BaseException as error:
        lines.append(f"async saw {type(error).__name__}")
        await asyncio.sleep(0.01)
        lines.append("async has cleaned up")
        raise
    finally:
        lines.append("async is closed")


def opened() -> Iterator[None]:
    lines.append("opened")
    try:
        yield
    except BaseException as error:
        lines.append(f"saw {type(error).__name__}")
        raise
    finally:
        lines.append("closed")


async def wait(
    one: Annotated[None, Depends(opened)], two: Annotated[None, Depends(opened_async)], tasks: BackgroundTasks
) -> None:
    tasks.add_task(nothing)
    lines.append("waits")
    await asyncio.sleep(20)


async def nothing() -> None:
    """A task."""


CLEANED_UP = [
    "opened",
    "opened async",
    "waits",
    "async saw CancelledError",
    "async has cleaned up",
    "async is closed",
    "saw CancelledError",
    "closed",
]


async def stored(folder: Path) -> list[Task]:
    """What is in the file when nobody works any more, the newest first."""
    async with an_instance(folder).opened() as afterwards:
        return await afterwards.find()


async def test_a_person_who_cancels_lets_the_dependencies_clean_up(tmp_path: Path) -> None:
    shape: Shape = wait
    async with an_instance(tmp_path).opened(worker=True) as afterwards:
        added = await afterwards.add(shape)
        await until(lambda: "waits" in lines)
        await afterwards.cancel(added.id)
        task = await afterwards.wait(added.id, timeout=10)
    assert (task.state, lines) == (State.CANCELLED, CLEANED_UP)
    assert len(await stored(tmp_path)) == 1, "nothing that it added"


async def test_a_worker_that_stops_lets_the_dependencies_clean_up_and_gives_the_task_back(tmp_path: Path) -> None:
    shape: Shape = wait
    async with an_instance(tmp_path).opened(worker=True) as afterwards:
        await afterwards.add(shape)
        await until(lambda: "waits" in lines)
    assert lines == CLEANED_UP
    [task] = await stored(tmp_path)
    assert (task.state, task.attempt, task.error) == (State.WAITING, 0, None)


async def swallows() -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        lines.append("swallowed")


async def wait_with_one_that_swallows(it: Annotated[None, Depends(swallows)]) -> None:
    lines.append("waits")
    await asyncio.sleep(20)


async def test_a_dependency_cannot_swallow_the_end_of_its_worker(tmp_path: Path) -> None:
    shape: Shape = wait_with_one_that_swallows
    async with an_instance(tmp_path).opened(worker=True) as afterwards:
        await afterwards.add(shape)
        await until(lambda: "waits" in lines)
    assert lines == ["waits", "swallowed"]
    [task] = await stored(tmp_path)
    assert (task.state, task.attempt) == (State.WAITING, 0)


async def short(one: Annotated[None, Depends(opened)], two: Annotated[None, Depends(opened_async)]) -> None:
    lines.append("waits")
    await asyncio.to_thread(may_go_on.wait, 10)


async def test_within_grace_all_ends_as_if_nobody_had_stopped(tmp_path: Path) -> None:
    shape: Shape = short
    async with an_instance(tmp_path, grace=10).opened(worker=True) as afterwards:
        await afterwards.add(shape)
        await until(lambda: "waits" in lines)
        asyncio.get_running_loop().call_later(0.1, may_go_on.set)
    assert lines == ["opened", "opened async", "waits", "async is closed", "closed"]
    [task] = await stored(tmp_path)
    assert task.state is State.DONE


# Threads


def wait_in_thread(one: Annotated[None, Depends(opened)]) -> None:
    lines.append("waits")
    may_go_on.wait(20)
    lines.append("waited")


async def test_what_a_thread_uses_is_not_closed_before_the_thread_has_ended(tmp_path: Path) -> None:
    shape: Shape = wait_in_thread
    async with an_instance(tmp_path, lease=0.3).opened(worker=True) as afterwards:
        await afterwards.add(shape)
        await until(lambda: "waits" in lines)
    assert lines == ["opened", "waits"]
    may_go_on.set()
    await until(lambda: "closed" in lines)
    assert lines == ["opened", "waits", "waited", "saw GeneratorExit", "closed"]


def slow_to_open() -> Iterator[None]:
    lines.append("opens")
    may_go_on.wait(20)
    lines.append("opened")
    try:
        yield
    finally:
        lines.append("closed")


async def needs_what_is_slow_to_open(it: Annotated[None, Depends(slow_to_open)]) -> None:
    lines.append("runs")
    await asyncio.sleep(20)


async def test_what_was_opened_too_late_is_closed_all_the_same(tmp_path: Path) -> None:
    shape: Shape = needs_what_is_slow_to_open
    async with an_instance(tmp_path, lease=0.3).opened(worker=True) as afterwards:
        await afterwards.add(shape)
        await until(lambda: "opens" in lines)
    assert lines == ["opens"]
    may_go_on.set()
    await until(lambda: "closed" in lines)
    assert lines == ["opens", "opened", "closed"]


async def test_a_cancellation_waits_for_the_thread_of_a_dependency(tmp_path: Path) -> None:
    heard: list[Event] = []
    shape: Shape = needs_what_is_slow_to_open
    async with an_instance(tmp_path).opened(worker=True) as afterwards:
        afterwards.hear(heard.append, LoopFailed, TaskResists)
        added = await afterwards.add(shape)
        await until(lambda: "opens" in lines)
        await afterwards.cancel(added.id)
        may_go_on.set()
        task = await afterwards.wait(added.id, timeout=10)
    assert (task.state, lines[-1], heard) == (State.CANCELLED, "closed", [])


def holds() -> Iterator[None]:
    yield
    may_go_on.set()


async def holds_until_the_only_thread_is_taken(it: Annotated[None, Depends(holds)]) -> None:
    while "waits" not in lines:
        await asyncio.sleep(0.01)


def wait_in_the_only_thread() -> None:
    lines.append("waits")
    assert may_go_on.wait(10)


async def test_closing_needs_no_free_thread_since_the_others_may_wait_for_it(tmp_path: Path) -> None:
    async with an_instance(tmp_path, threads=1).opened(worker=True) as afterwards:
        shape: Shape = holds_until_the_only_thread_is_taken
        added = [await afterwards.add(shape), await afterwards.add(wait_in_the_only_thread)]
        ended = [await afterwards.wait(one.id, timeout=15) for one in added]
    assert [(task.state, task.attempt) for task in ended] == [(State.DONE, 1)] * 2


def count_threads(counting: list[int]) -> Shape:
    lock, now = threading.Lock(), list[int]()

    def dependency() -> None:
        with lock:
            now.append(1)
            counting.append(len(now))
        may_go_on.wait(0.05)
        with lock:
            now.pop()

    return dependency


counts: list[int] = []


async def counted(it: Annotated[None, Depends(count_threads(counts))]) -> None: ...


async def test_dependencies_run_in_the_threads_of_the_worker(tmp_path: Path) -> None:
    shape: Shape = counted
    counts.clear()
    async with an_instance(tmp_path, threads=2).opened(worker=True) as afterwards:
        added = [await afterwards.add(shape) for _ in range(8)]
        for one in added:
            await afterwards.wait(one.id, timeout=15)
    assert (len(counts), max(counts)) == (8, 2)


running: list[int] = []


async def alone() -> AsyncIterator[None]:
    running.append(len(running) + 1)
    lines.append(f"{len(running)} at once")
    yield
    running.pop()


def alone_in_thread() -> int:
    running.append(1)
    lines.append(f"{len(running)} at once in a thread")
    may_go_on.wait(0.02)
    running.pop()
    return 1


async def limited(
    one: Annotated[None, Depends(alone, max_concurrency=1)],
    two: Annotated[int, Depends(alone_in_thread, max_concurrency=1)],
) -> None:
    await asyncio.sleep(0.02)


async def test_a_limit_of_fastapis_on_a_dependency_holds_between_tasks(tmp_path: Path) -> None:
    shape: Shape = limited
    async with an_instance(tmp_path).opened(worker=True) as afterwards:
        added = [await afterwards.add(shape) for _ in range(5)]
        for one in added:
            assert (await afterwards.wait(one.id, timeout=15)).state is State.DONE
    assert lines == ["1 at once", "2 at once in a thread"] * 5, "the second stands inside of the first"


# What it adds


async def adds(tasks: BackgroundTasks) -> None:
    tasks.add_task(nothing)
    tasks.using(queue="mail").add_task(nothing)


async def adds_and_waits_locally(tasks: BackgroundTasks) -> None:
    tasks.add_task(nothing)
    tasks.add_task(lambda: wait_locally())


async def wait_locally() -> None:
    lines.append("waits")
    await asyncio.sleep(20)


async def test_what_a_run_adds_is_part_of_its_outcome(tmp_path: Path) -> None:
    house = an_instance(tmp_path).house
    runner = Runner(house.registry, house.events, threads=1, solver=house.solver)
    call = house.registry.call(adds, (), {}, AS_DECORATED)
    task = first_run(call, now=datetime.now(UTC), worker=WorkerId("w"))
    outcome = await runner.run(task, overran=lambda outcome: None)
    assert outcome.ending is Ending.DONE
    assert [(call.name.rpartition(":")[2], call.queue) for call in outcome.calls] == [
        ("nothing", "default"),
        ("nothing", "mail"),
    ]
    store = a_store(tmp_path)
    assert not (tmp_path / "rooms.db").exists(), "the runner itself writes nothing"
    await store.close()


async def test_a_task_stays_done_though_its_worker_stops_while_a_local_function_runs(tmp_path: Path) -> None:
    shape: Shape = adds_and_waits_locally
    async with an_instance(tmp_path, when_unnameable="local").opened(worker=True) as afterwards:
        added = await afterwards.add(shape)
        await until(lambda: "waits" in lines)
    new, task = await stored(tmp_path)
    assert (task.id, task.state) == (added.id, State.DONE)
    assert new.state is State.WAITING
