"""What the tests of a user's app have: tasks run inline, or are recorded; neither touches a store."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends, HTTPException
from fastapi.testclient import TestClient

from afterwards import Afterwards, CannotStore, current_task
from afterwards.testing import inline, recorded
from tests.doors import imported
from tests.doors.diary import diary, fail, note, note_in_thread
from tests.doors.ways import Means, Way


async def note_run() -> None:
    diary.write(f"{current_task().name} attempt {current_task().attempt}")


@pytest.fixture
def unstarted(way: Way) -> TestClient:
    """A client of an app whose lifespan does not run."""

    @way.app.post("/fails")
    async def fails(tasks: imported.BackgroundTasks):
        tasks.add_task(fail, "fails")
        tasks.add_task(note, "runs all the same")

    @way.app.post("/fails-twice")
    async def fails_twice(tasks: imported.BackgroundTasks):
        tasks.add_task(fail, "one")
        tasks.add_task(fail, "two")

    @way.app.post("/raises")
    async def raises(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")
        raise HTTPException(404)

    @way.app.post("/unstorable")
    async def unstorable(tasks: imported.BackgroundTasks):
        tasks.add_task(note, object())  # type: ignore[arg-type]  # what the test is about

    @way.app.post("/context")
    async def context(tasks: imported.BackgroundTasks):
        tasks.add_task(note_run)

    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "dependency")

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks, first: Annotated[None, Depends(dependency)]):
        tasks.add_task(note_in_thread, text="endpoint")
        tasks.using(delay=3600, queue="mail").add_task(note, "delayed")
        return {"lines": diary.lines}

    return TestClient(way.finished_app())


@pytest.fixture
def client(way: Way, unstarted: TestClient) -> Iterator[TestClient]:
    """Tasks run inline; and no file was made when all is over."""
    with inline(way.afterwards), unstarted:
        yield unstarted
    assert not way.path.exists()


def test_inline_runs_all_tasks_before_the_call_returns_but_after_the_response(client: TestClient):
    assert client.post("/").json() == {"lines": []}
    assert diary.lines == ["dependency", "endpoint", "delayed"]


def test_inline_raises_what_a_task_raised_when_all_have_run(client: TestClient):
    with pytest.raises(RuntimeError, match="fails"):
        client.post("/fails")
    assert diary.lines == ["fails", "runs all the same"], "each once, whatever its Retry says"


def test_inline_raises_several_errors_as_a_group(client: TestClient):
    with pytest.raises(ExceptionGroup) as raised:
        client.post("/fails-twice")
    assert [str(error) for error in raised.value.exceptions] == ["one", "two"]


def test_inline_runs_nothing_of_a_request_that_raised(client: TestClient):
    assert client.post("/raises").status_code == 404
    assert diary.lines == []


def test_inline_refuses_what_could_not_be_stored(client: TestClient):
    with pytest.raises(CannotStore, match="text"):
        client.post("/unstorable")


def test_inline_tasks_know_what_they_are(client: TestClient):
    client.post("/context")
    assert diary.lines == [f"{__name__}:note_run attempt 1"]


def test_inline_runs_what_is_added_outside_of_a_request(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path}/tasks.db")

    async def add() -> None:
        await afterwards.add(note, "awaited")
        afterwards.add_sync(note_in_thread, "from plain code")
        await afterwards.drain()

    with inline(afterwards):
        asyncio.run(add())
    assert diary.lines == ["awaited", "from plain code"]
    assert list(tmp_path.iterdir()) == []


def test_inline_leaves_a_worker_that_runs_alone(way: Way, unstarted: TestClient):
    with unstarted:
        with inline(way.afterwards):
            unstarted.post("/")
            assert diary.lines == ["dependency", "endpoint", "delayed"]
        assert way.stored() == []
        unstarted.post("/context")
        diary.wait_for(f"{__name__}:note_run attempt 1")


def test_recorded_runs_nothing_and_tells_what_was_added(way: Way, unstarted: TestClient):
    with recorded(way.afterwards) as tasks:
        with unstarted:
            assert unstarted.post("/").status_code == 200
            assert unstarted.post("/").status_code == 200
            assert unstarted.post("/raises").status_code == 404
        assert tasks.added(note, "dependency")
        assert tasks.added(note, text="dependency"), "however the arguments were passed"
        assert tasks.added(note_in_thread, "endpoint")
        assert not tasks.added(note_in_thread, "dependency")
        assert not tasks.added(note, "never")
        assert tasks.count(note, "delayed") == 2
        assert [call.queue for call in tasks.calls if call.delay] == ["mail", "mail"]
        assert len(tasks.calls) == 6
    assert diary.lines == []
    assert not way.path.exists()


def test_recorded_hears_what_is_added_outside_of_a_request(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path}/tasks.db")
    with recorded(afterwards) as tasks:
        asyncio.run(add_one(afterwards, "awaited"))
        afterwards.add_sync(note, "from plain code")
    assert tasks.added(note, "awaited")
    assert tasks.added(note, "from plain code")
    assert list(tmp_path.iterdir()) == []


async def add_one(afterwards: Afterwards, text: str) -> None:
    await afterwards.add(note, text)


def test_recorded_keeps_what_has_no_name_apart(tmp_path: Path):
    way = Way(Means.CHANGED, tmp_path / "tasks.db", when_unnameable="local")

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(lambda: diary.write("never"))

    with recorded(way.afterwards) as tasks, way.client() as client:
        assert client.post("/").status_code == 200
    assert (len(tasks.calls), len(tasks.local)) == (0, 1)
    assert diary.lines == []


def test_the_whole_run_is_inline_by_a_variable(tmp_path: Path):
    script = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from afterwards import Afterwards, BackgroundTasks
from tests.doors.diary import diary, note

app = FastAPI()
Afterwards(app)

@app.post("/")
async def endpoint(tasks: BackgroundTasks):
    tasks.using(delay=60).add_task(note, "inline")

with TestClient(app) as client:
    client.post("/")
    assert diary.lines == ["inline"], diary.lines
TestClient(app).post("/")
assert diary.lines == ["inline", "inline"], diary.lines
"""
    root = Path(__file__).parents[2]
    surroundings = {**os.environ, "AFTERWARDS_MODE": "inline", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, env=surroundings, check=True)
    assert list(tmp_path.iterdir()) == []
