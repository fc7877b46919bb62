"""How a worker leaves: with a store that refuses, and with threads that nothing can stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterwards import Afterwards, State
from afterwards.events import Event, LeaseWasLost, LoopFailed, StoreAway, WorkerStarted, WorkerStopped
from tests.rooms.builders import a_store, threads_named, until, url_in
from tests.stores.builders import write_lock_on

may_end = threading.Event()
began = threading.Event()


def stay_in_thread() -> None:
    began.set()
    may_end.wait(20)


async def nothing() -> None:
    """A task."""


@pytest.fixture(autouse=True)
def thread_ends() -> Iterator[None]:
    may_end.clear()
    began.clear()
    yield
    may_end.set()


def an_instance(url: str, heard: list[Event]) -> Afterwards:
    afterwards = Afterwards(url=url, lease=0.3, grace=0.0, add_timeout=0.2)
    afterwards.hear(heard.append)
    return afterwards


def kinds(heard: list[Event]) -> list[type[Event]]:
    return [type(event) for event in heard]


async def leave_a_thread(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        await afterwards.add(stay_in_thread)
        await until(began.is_set)


async def test_a_clean_stop_leaves_no_thread_no_row_and_loses_no_lease(tmp_path: Path) -> None:
    heard: list[Event] = []
    before = set(threading.enumerate())
    for _ in range(3):
        async with an_instance(url_in(tmp_path), heard).opened(worker=True):
            await until(lambda: kinds(heard).count(WorkerStarted) > kinds(heard).count(WorkerStopped))
    assert ours_among(set(threading.enumerate()) - before) == []
    assert await left_behind(tmp_path) == ([], {})
    assert LeaseWasLost not in kinds(heard)


async def test_the_keeper_has_ended_before_the_worker_signs_off(tmp_path: Path) -> None:
    """Also one that takes its time: here an ear detains it, which is called in its thread."""
    detained, keepers = threading.Event(), list[list[str]]()
    afterwards = an_instance(url_in(tmp_path), [])

    def detain(event: Event) -> None:
        if isinstance(event, StoreAway) and event.doing == "renew":
            detained.set()
            may_end.wait(0.3)

    afterwards.hear(detain, StoreAway)
    afterwards.hear(lambda _: keepers.append(threads_named("afterwards-keeper")), WorkerStarted, WorkerStopped)
    before = threads_named("afterwards-keeper")
    async with afterwards.opened(worker=True):
        await until(lambda: keepers)
        with write_lock_on(tmp_path / "rooms.db"):
            await until(detained.is_set)
    at_start, at_stop = keepers
    assert len(at_start) == len(before) + 1
    assert at_stop == before


async def test_a_store_that_is_away_lets_the_worker_leave_all_the_same(tmp_path: Path) -> None:
    heard: list[Event] = []
    afterwards = an_instance(url_in(tmp_path), heard)
    async with afterwards.house.opened():
        working = afterwards.house.working()
        await working.__aenter__()
        await until(lambda: WorkerStarted in kinds(heard))
        with write_lock_on(tmp_path / "rooms.db"):
            await working.__aexit__(None, None, None)
    assert "sign off" in [event.doing for event in heard if isinstance(event, StoreAway)]
    assert WorkerStopped in kinds(heard)


async def test_a_store_that_was_destroyed_lets_the_worker_leave_all_the_same(tmp_path: Path) -> None:
    heard: list[Event] = []
    async with an_instance(url_in(tmp_path), heard).opened(worker=True):
        await until(lambda: WorkerStarted in kinds(heard))
        destroy(tmp_path)
    assert "sign off" in [event.doing for event in heard if isinstance(event, StoreAway)]
    assert WorkerStopped in kinds(heard)


def destroy(folder: Path) -> None:
    for file in folder.glob("rooms.db*"):
        file.unlink()
    (folder / "rooms.db").write_bytes(b"this was a database once" * 1000)


async def test_a_thread_that_outlives_its_worker_keeps_its_claim_and_then_all_is_given_back(tmp_path: Path) -> None:
    heard: list[Event] = []
    before = set(threading.enumerate())
    await leave_a_thread(an_instance(url_in(tmp_path), heard))
    assert await left_behind(tmp_path) == (["leaving"], {State.RUNNING: 1})
    may_end.set()
    await until(lambda: not ours_among(set(threading.enumerate()) - before))
    assert await left_behind(tmp_path) == ([], {State.WAITING: 1})
    [stopped] = [event for event in heard if isinstance(event, WorkerStopped)]
    assert stopped.abandoned == 1
    assert not {LeaseWasLost, LoopFailed} & set(kinds(heard))


async def left_behind(folder: Path) -> tuple[list[str], dict[State, int]]:
    """The workers that are still signed on, and how many tasks there are in which state."""
    store = a_store(folder)
    workers, census = await store.workers(), await store.census()
    await store.close()
    counts = {state: count for state, count in census.by_state.items() if count}
    return ["leaving" if worker.leaving else "working" for worker in workers], counts


def ours_among(threads: set[threading.Thread]) -> list[str]:
    return [thread.name for thread in threads if thread.name.startswith("afterwards-")]


async def test_the_store_of_a_thread_that_outlives_its_worker_stays_open(tmp_path: Path) -> None:
    afterwards = an_instance("sqlite://", [])
    theirs = afterwards.house.store
    await leave_a_thread(afterwards)
    assert [worker.leaving for worker in await theirs.workers()] == [True], "closed, the private file had gone"
    may_end.set()
    await until(lambda: not threads_named("afterwards-keeper"))
    assert await theirs.workers() == [], "closed at last, and opened anew by this look"
    await theirs.close()


async def test_a_house_that_is_opened_again_meanwhile_keeps_its_store(tmp_path: Path) -> None:
    afterwards = an_instance("sqlite://", [])
    await leave_a_thread(afterwards)
    async with afterwards.opened():
        added = await afterwards.add(nothing)
        may_end.set()
        await until(lambda: not threads_named("afterwards-keeper"))
        assert (await afterwards.get(added.id)).state is State.WAITING
