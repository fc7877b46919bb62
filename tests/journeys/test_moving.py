"""Tasks that travel through several stores in real processes, which are killed on the way."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from afterwards import Retry
from afterwards.moving import FIRST_BATCH
from afterwards.outcomes import Ending
from afterwards.store import Store
from afterwards.stores import store_for
from afterwards.tasks import Call, State, Task
from tests.contract.builders import a_line, a_running_task, outcome, sign_on
from tests.journeys.harness import HERE
from tests.journeys.places import STORES

ROUTES = [("sqlite", "sqlite"), ("sqlite", "postgres", "valkey", "sqlite"), ("valkey", "postgres")]
MOMENTS = [("before", "receive"), ("after", "receive"), ("after", "forget"), ("before", "hand_over")]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = store_for(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def some_calls(count: int) -> list[Call]:
    """Lines of one to four calls, with all that a call may have."""
    calls: list[Call] = []
    while len(calls) < count:
        number = len(calls)
        line = a_line(1 + number % 4, queue=f"queue {number % 3}", priority=number % 10, crashes=number % 5)
        calls += [
            replace(line[0], delay=timedelta(seconds=number % 7), retry=Retry(attempts=1 + number % 5)),
            *line[1:],
        ]
    return calls[:count]


async def fill(url: str, count: int) -> list[Task]:
    """Waiting tasks, a few with runs behind them; as they are stored."""
    async with opened(url) as store:
        worker = await sign_on(store)
        for ending in Ending:
            running = await a_running_task(store, worker)
            await store.settle([outcome(running.claim, ending, delay=timedelta(seconds=9))])
        await store.sign_off(worker)
        calls = some_calls(count - 4)  # that many of the endings wait again
        for start in range(0, len(calls), 500):
            await store.add(calls[start : start + 500])
        await store.pause("queue 1", paused=True)
    tasks = await waiting(url)
    assert len(tasks) == count
    return tasks


async def waiting(url: str) -> list[Task]:
    """All of them, page by page: a server would be long over 100,000 at once."""
    tasks: list[Task] = []
    async with opened(url) as store:
        while page := await store.hand_over(limit=1_000, after=tasks[-1].id if tasks else None):
            tasks += page
    return tasks


async def states(url: str) -> dict[State, int]:
    async with opened(url) as store:
        return dict((await store.census()).by_state)


def start_move(source: str, destination: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "afterwards", "move", "--url", source, "--to", destination]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def move_to_the_end(source: str, destination: str) -> None:
    process = start_move(source, destination)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


def move_and_die(source: str, destination: str, when: str, verb: str, count: int) -> None:
    command = [sys.executable, str(HERE / "mover.py"), source, destination, when, verb, str(count)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9, "it did not come so far"


@pytest.fixture
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, int], str]:
    """Makes the URL of a new store of a kind, for a stage of the journey."""

    def make(kind: str, stage: int) -> str:
        folder = tmp_path / f"stage{stage}"
        folder.mkdir()
        return STORES[kind](request)(folder)

    return make


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
async def test_tasks_that_travel_are_the_same_at_the_end(route: tuple[str, ...], new_place: Callable[[str, int], str]):
    urls = [new_place(kind, stage) for stage, kind in enumerate(route)]
    tasks = await fill(urls[0], 2_000)
    for stage, (source, destination) in enumerate(pairwise(urls)):
        when, verb = MOMENTS[stage % len(MOMENTS)]
        move_and_die(source, destination, when, verb, 2)
        assert len(await waiting(source)) in (2_000 - FIRST_BATCH, 2_000 - FIRST_BATCH - 1_000)
        move_to_the_end(source, destination)
        assert (await states(source))[State.WAITING] == 0
        assert await waiting(destination) == tasks
        async with opened(destination) as store:
            assert (await store.census()).paused == ("queue 1",)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.soak), "valkey"])
@pytest.mark.parametrize(("when", "verb"), MOMENTS)
async def test_a_move_may_be_killed_beside_every_step(
    when: str, verb: str, kind: str, new_place: Callable[[str, int], str]
):
    source, destination = new_place(kind, 0), new_place(kind, 1)
    tasks = await fill(source, 3 * FIRST_BATCH)
    for count in (1, 2):
        move_and_die(source, destination, when, verb, count)
        together = {task.id for task in [*await waiting(source), *await waiting(destination)]}
        assert together == {task.id for task in tasks}
    move_to_the_end(source, destination)
    assert await waiting(destination) == tasks
    assert await waiting(source) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("route", ROUTES, ids="-".join)
async def test_a_hundred_thousand_tasks_travel_under_kills_at_any_moment(
    route: tuple[str, ...], new_place: Callable[[str, int], str]
):
    urls = [new_place(kind, stage) for stage, kind in enumerate(route)]
    tasks = await fill(urls[0], 100_000)
    chance = random.Random(4711)
    for source, destination in pairwise(urls):
        for goal in sorted(chance.sample(range(1, 90_000), 5)):
            await move_until(source, destination, goal)
        move_to_the_end(source, destination)
        assert (await states(source))[State.WAITING] == 0
        assert await waiting(destination) == tasks


async def move_until(source: str, destination: str, goal: int) -> None:
    """Kill a move in the midst of whatever it does when so many tasks have arrived."""
    with start_move(source, destination) as process:
        async with opened(destination) as store:
            while (await store.census()).by_state[State.WAITING] < goal:
                assert process.poll() is None, "it was not killed in time"
        process.kill()
        assert process.wait() == -9, "it was not killed in time"
