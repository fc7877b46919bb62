"""Whatever lifespan an app has, tasks run only after its own start-up and before its own shut-down."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.testclient import TestClient

from afterwards import Afterwards
from tests.doors import imported
from tests.doors.diary import diary, gate, note, wait_at_the_gate
from tests.doors.ways import Way


@asynccontextmanager
async def own_lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    diary.write("start-up begins")
    await asyncio.sleep(0.1)  # time for a worker that would not wait
    diary.write("start-up ends")
    yield {"greeting": "hello"}
    diary.write("shut-down begins")


def leave_a_task(way: Way) -> None:
    """A task that is in the store before the app starts."""
    way.afterwards.add_sync(note, "left over")


def declare_routes(app: FastAPI | APIRouter) -> None:
    @app.get("/greeting")
    async def greeting(request: Request):
        return request.state.greeting

    @app.post("/{text}")
    async def endpoint(text: str, tasks: imported.BackgroundTasks):
        tasks.add_task(note, text)


def test_the_apps_own_lifespan_and_its_state_are_kept(way: Way):
    declare_routes(way.new_app(lifespan=own_lifespan))
    leave_a_task(way)
    with way.client() as client:
        assert client.get("/greeting").json() == "hello"
        client.post("/added")
        diary.wait_for("left over", "added")
    assert diary.lines == ["start-up begins", "start-up ends", "left over", "added", "shut-down begins"]


def test_start_up_and_shut_down_handlers_are_kept(way: Way):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of on_event itself
        way.app.on_event("startup")(lambda: diary.write("start-up"))
        way.app.on_event("shutdown")(lambda: diary.write("shut-down"))
    declare_routes(way.app)
    leave_a_task(way)
    with way.client() as client:
        client.post("/added")
        diary.wait_for("left over", "added")
    assert diary.lines == ["start-up", "left over", "added", "shut-down"]


@pytest.mark.parametrize("included", ["before", "after"])
def test_the_lifespan_of_an_included_router_is_around_the_worker_too(tmp_path: Path, included: str):
    router = APIRouter(lifespan=own_lifespan)
    declare_routes(router)
    app, afterwards = FastAPI(), Afterwards(url=f"sqlite:///{tmp_path}/tasks.db")
    if included == "before":
        app.include_router(router)
    afterwards.install(app)
    if included == "after":
        app.include_router(router)
    afterwards.add_sync(note, "left over")
    with TestClient(app) as client:
        assert client.get("/greeting").json() == "hello"
        client.post("/added")
        diary.wait_for("left over", "added")
    assert diary.lines == ["start-up begins", "start-up ends", "left over", "added", "shut-down begins"]


def test_a_lifespan_that_is_set_later_does_not_put_ours_out(way: Way):
    way.app.router.lifespan_context = own_lifespan
    declare_routes(way.app)
    with way.client() as client:
        client.post("/added")
        diary.wait_for("added")
    assert diary.lines == ["start-up begins", "start-up ends", "added", "shut-down begins"]


def test_an_app_can_run_again(way: Way):
    declare_routes(way.new_app(lifespan=own_lifespan))
    for text in ("first", "second"):
        with way.client() as client:
            client.post(f"/{text}")
            diary.wait_for(text)
    assert way.stored() == ["first", "second"]
    assert diary.lines.count("start-up ends") == diary.lines.count("shut-down begins") == 2


def test_what_had_no_time_at_shut_down_runs_when_the_app_is_up_again(way: Way):
    quick = Way(way.means, way.path, grace=0)

    @quick.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.using(delay=0.01).add_task(note, "soon")
        tasks.add_task(note, "at once")

    with quick.client() as client:
        client.post("/")
    with quick.client():
        diary.wait_for("at once", "soon")
    assert sorted(diary.lines) == ["at once", "soon"]


@pytest.mark.parametrize("off", ["in the code", "by the variable"])
def test_an_app_without_a_worker_stores_for_others_and_says_nothing(
    way: Way, off: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    if off == "by the variable":
        monkeypatch.setenv("AFTERWARDS_WORKER", "0")
    storing = Way(way.means, way.path, worker=off != "in the code")
    declare_routes(storing.app)
    with storing.client() as client:
        assert client.post("/stored").status_code == 200
    assert storing.stored() == ["stored"]
    assert diary.lines == []
    assert "no worker runs here" not in caplog.text
    with way.client():
        diary.wait_for("stored")


def test_a_start_up_that_fails_runs_no_task_and_leaves_the_store_usable(way: Way):
    @asynccontextmanager
    async def failing(app: Any) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    way.new_app(lifespan=failing)
    leave_a_task(way)
    with pytest.raises(RuntimeError, match="no database"), way.client():
        pass
    assert diary.lines == []
    way.new_app()
    with way.client():
        diary.wait_for("left over")


def test_a_second_afterwards_in_one_app_is_refused_and_the_same_one_is_not(way: Way, tmp_path: Path):
    way.afterwards.install(way.finished_app())
    with pytest.raises(ValueError, match="one app has one store"):
        Afterwards(way.app, url=f"sqlite:///{tmp_path}/other.db")


def test_tasks_that_run_at_shut_down_get_their_grace(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(wait_at_the_gate, "the task")

    with way.client() as client:
        client.post("/")
        diary.wait_for("the task waits")
        gate.set()
    assert diary.lines == ["the task waits", "the task"], "the app has ended only when its task had"
