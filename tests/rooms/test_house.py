"""Opening and closing: whoever opened first closes, and a refused opening leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from afterwards import Afterwards, BackgroundTasks, State, StoreUnusable
from afterwards.events import Event, NobodyWorks, StoreOpened, WorkerStarted
from tests.rooms.builders import until, url_in

ran: list[int] = []


async def nothing() -> None:
    """A task."""


async def test_what_is_opened_inside_another_closes_nothing() -> None:
    heard: list[Event] = []
    afterwards = Afterwards(url="sqlite://")
    afterwards.hear(heard.append)
    async with afterwards.opened(worker=True):
        first = await afterwards.add(nothing)
        async with afterwards.opened(worker=True):
            await afterwards.wait(first.id, timeout=10)
        assert afterwards.house.is_open
        assert (await afterwards.get(first.id)).state is State.DONE, "the private file is still there"
        second = await afterwards.add(nothing)
        assert (await afterwards.wait(second.id, timeout=10)).state is State.DONE
    assert not afterwards.house.is_open
    assert [type(event) for event in heard].count(StoreOpened) == 1
    assert [type(event) for event in heard].count(WorkerStarted) == 1
    assert not any(isinstance(event, NobodyWorks) for event in heard)


async def test_a_refused_opening_leaves_no_thread_and_can_be_repeated(tmp_path: Path) -> None:
    file = tmp_path / "rooms.db"
    file.write_bytes(b"no database at all" * 1000)
    before = set(threading.enumerate())
    afterwards = Afterwards(url=url_in(tmp_path))
    for _ in range(2):
        with pytest.raises(StoreUnusable):
            async with afterwards.opened(worker=True):
                pass
        assert not afterwards.house.is_open
    await until(lambda: not any(each.name.startswith("afterwards-") for each in set(threading.enumerate()) - before))
    file.unlink()
    async with afterwards.opened(worker=True):
        added = await afterwards.add(nothing)
        assert (await afterwards.wait(added.id, timeout=10)).state is State.DONE


async def test_a_worker_that_was_asked_for_inside_another_opening_stops_with_its_own_block() -> None:
    heard: list[Event] = []
    afterwards = Afterwards(url="sqlite://")
    afterwards.hear(heard.append, WorkerStarted)
    async with afterwards.opened():
        for _ in range(2):
            before = len(heard)
            async with afterwards.opened(worker=True):
                await until(partial(started_since, heard, before))
        added = await afterwards.add(nothing)
        assert (await afterwards.get(added.id)).state is State.WAITING


def started_since(heard: list[Event], before: int) -> bool:
    return len(heard) > before


def test_two_apps_of_one_afterwards_each_have_a_worker_and_the_last_to_end_closes_the_store(tmp_path: Path) -> None:
    ran.clear()
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'shared.db'}")
    first, second = app_of(afterwards), app_of(afterwards)
    with TestClient(second) as lasting:
        with TestClient(first) as passing:
            assert passing.post("/").status_code == 200
            wait_until(lambda: len(ran) == 1)
        assert lasting.post("/").status_code == 200
        wait_until(lambda: len(ran) == 2)
        with TestClient(first) as again:
            assert again.post("/").status_code == 200
            wait_until(lambda: len(ran) == 3)
    assert not afterwards.house.is_open


def app_of(afterwards: Afterwards) -> FastAPI:
    app = FastAPI()
    afterwards.install(app)

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note_run)

    return app


async def note_run() -> None:
    ran.append(1)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
