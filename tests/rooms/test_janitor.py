"""The janitor on a real store: whom it takes for dead, what it frees, what it removes, and what does not stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir

import pytest

from afterwards import Afterwards, State
from afterwards.events import Event, Events, LoopFailed
from afterwards.life import ProofOfLife
from afterwards.outcomes import Ending
from afterwards.store import Store
from afterwards.tasks import WorkerId
from tests.contract.builders import a_running_task, outcome, sign_on, the_task
from tests.rooms import late_arrival
from tests.rooms.builders import AN_HOUR, a_janitor, a_store, let_the_clock_jump, until, url_in

NOTHING = timedelta(0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = a_store(tmp_path)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def worker(store: Store) -> WorkerId:
    """A living worker of another process, with a lease of 15 seconds."""
    return await sign_on(store)


async def test_a_jump_of_the_clock_makes_no_living_worker_dead(
    store: Store, worker: WorkerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await a_running_task(store, worker)
    janitor = a_janitor(store)
    await janitor.round()
    let_the_clock_jump(monkeypatch)
    for _ in range(3):
        await janitor.round()
    assert (await the_task(store, task.id)).state is State.RUNNING
    assert [each.id for each in await store.workers()] == [worker]


async def test_who_has_not_renewed_a_whole_lease_after_a_jump_is_dead(
    store: Store, worker: WorkerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await a_running_task(store, worker)
    janitor = a_janitor(store, lease=timedelta(seconds=0.1))
    await janitor.round()
    let_the_clock_jump(monkeypatch)
    await janitor.round()
    assert (await the_task(store, task.id)).state is State.RUNNING
    async with asyncio.timeout(10):
        while (await the_task(store, task.id)).state is State.RUNNING:
            await janitor.round()
    assert await store.workers() == []


async def test_a_worker_whose_lock_is_free_is_rescued_after_a_jump_too_and_its_file_goes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "locks"))
    dead, living = ProofOfLife(), ProofOfLife()
    for proof in (dead, living):
        proof.prepare(store.identity)
    worker = await sign_on(store, host=dead.host)
    task = await a_running_task(store, worker)
    dead.begin(worker)
    dead.let_go()  # what the system does when a process dies
    assert len(lock_files()) == 1
    janitor = a_janitor(store, life=living)
    let_the_clock_jump(monkeypatch)
    await janitor.round()
    assert (await the_task(store, task.id)).state is State.WAITING
    assert lock_files() == []


def lock_files() -> list[Path]:
    return list(Path(gettempdir()).rglob("*.lock"))


async def test_ended_tasks_are_removed_when_their_time_is_over(store: Store, worker: WorkerId) -> None:
    task = await a_running_task(store, worker)
    await store.settle([outcome(task.claim, Ending.DONE)])
    await a_janitor(store, retention=AN_HOUR).round()
    assert (await the_task(store, task.id)).state is State.DONE
    await a_janitor(store, retention=NOTHING).round()
    assert (await store.census()).by_state.get(State.DONE, 0) == 0


async def test_a_round_that_fails_unexpectedly_is_said_and_the_next_one_works(
    store: Store, worker: WorkerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterwards.janitor.ROUND", 0.01)
    heard: list[Event] = []
    events = Events()
    events.hear(heard.append)

    def knows(name: str) -> bool:
        raise RuntimeError(f"the import of {name} failed")

    unknown = await a_running_task(store, worker)
    await store.settle([outcome(unknown.claim, Ending.UNKNOWN)])
    async with asyncio.TaskGroup() as group:
        running = group.create_task(a_janitor(store, events=events, knows=knows).run())
        await until(lambda: heard)
        await sign_on(store, "gone", lease=NOTHING)
        async with asyncio.timeout(10):
            while len(await store.workers()) > 1:
                await asyncio.sleep(0.01)
        running.cancel()
    [failed] = [event for event in heard if isinstance(event, LoopFailed)]
    assert (failed.loop, str(failed.error)) == ("janitor", "the import of tests:work failed")


async def test_a_function_that_arrives_late_is_run_by_the_worker_that_missed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterwards.janitor.ROUND", 0.02)
    monkeypatch.setattr("afterwards.janitor.UNKNOWN_EVERY", 0.0)

    async def arrive(number: int) -> None:
        late_arrival.ran.append(number)

    arrive.__module__, arrive.__qualname__ = late_arrival.__name__, "arrive"
    late_arrival.ran.clear()
    monkeypatch.setattr(late_arrival, "arrive", arrive, raising=False)
    async with Afterwards(url=url_in(tmp_path)).opened() as adder:
        added = await adder.add(arrive, 1)
    monkeypatch.delattr(late_arrival, "arrive")
    async with Afterwards(url=url_in(tmp_path)).opened(worker=True) as afterwards:
        async with asyncio.timeout(10):
            while (await afterwards.get(added.id)).held != "unknown":
                await asyncio.sleep(0.01)
        monkeypatch.setattr(late_arrival, "arrive", arrive, raising=False)
        task = await afterwards.wait(added.id, timeout=10)
    assert (task.state, task.attempt, late_arrival.ran) == (State.DONE, 1, [1])
