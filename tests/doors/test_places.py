"""Wherever FastAPI takes a `BackgroundTasks`, what is added there is stored and runs."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, Depends, FastAPI

from tests.doors import imported
from tests.doors.diary import diary, note, note_in_thread
from tests.doors.ways import Way


def test_a_path_operation_adds_tasks(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "async")
        tasks.add_task(note_in_thread, text="def")
        return {"ok": True}

    with way.client() as client:
        response = client.post("/")
        assert (response.status_code, response.json()) == (200, {"ok": True})
        assert diary.wait_for("async", "def") == ["async", "def"]
    assert way.stored() == ["async", "def"]


def test_a_plain_def_path_operation_adds_tasks(way: Way):
    @way.app.post("/")
    def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "from a thread")

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("from a thread")


def test_dependencies_add_to_the_same_tasks_in_the_order_of_the_calls(way: Way):
    def sub_dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "sub-dependency")
        return tasks

    async def dependency(tasks: imported.BackgroundTasks, below: Annotated[Any, Depends(sub_dependency)]):
        tasks.add_task(note, "dependency")
        return [tasks, below]

    class Dependency:
        def __init__(self, tasks: imported.BackgroundTasks):
            tasks.add_task(note, "class")
            self.tasks = tasks

    class Callable:
        async def __call__(self, tasks: imported.BackgroundTasks):
            tasks.add_task(note, "callable object")
            return tasks

    @way.app.post("/")
    async def endpoint(
        tasks: imported.BackgroundTasks,
        function: Annotated[list[Any], Depends(dependency)],
        klass: Annotated[Any, Depends(Dependency)],
        instance: Annotated[Any, Depends(Callable())],
    ):
        tasks.add_task(note, "endpoint")
        return len({id(each) for each in [tasks, *function, klass.tasks, instance]})

    expected = ["sub-dependency", "dependency", "class", "callable object", "endpoint"]
    with way.client() as client:
        assert client.post("/").json() == 1, "one object per request, whoever asks for it"
        assert diary.wait_for("endpoint") == expected
    assert way.stored() == expected


@pytest.mark.parametrize("scope", ["request", "function"])
def test_dependencies_with_yield_add_tasks_before_it(way: Way, scope: Any):
    async def asynchronous(tasks: imported.BackgroundTasks) -> AsyncIterator[str]:
        tasks.add_task(note, "async before yield")
        yield "value"

    def synchronous(tasks: imported.BackgroundTasks) -> Iterator[str]:
        tasks.add_task(note, "def before yield")
        yield "value"

    @way.app.post("/")
    async def endpoint(
        one: Annotated[str, Depends(asynchronous, scope=scope)],
        other: Annotated[str, Depends(synchronous, scope=scope)],
    ):
        return one + other

    with way.client() as client:
        assert client.post("/").json() == "valuevalue"
        assert diary.wait_for("def before yield") == ["async before yield", "def before yield"]


@pytest.mark.parametrize("scope", ["request", "function"])
def test_what_a_dependency_adds_after_its_yield_is_stored_too(way: Way, scope: Any):
    async def dependency(tasks: imported.BackgroundTasks) -> AsyncIterator[None]:
        yield
        tasks.add_task(note, "after yield")

    def synchronous(tasks: imported.BackgroundTasks) -> Iterator[None]:
        yield
        tasks.add_task(note, "after yield of a def")

    @way.app.post("/", dependencies=[Depends(dependency, scope=scope), Depends(synchronous, scope=scope)])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "endpoint")

    with way.client() as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("after yield") == ["endpoint", "after yield of a def", "after yield"]


def test_dependencies_of_a_route_a_router_and_the_app_add_tasks(way: Way):
    def of_app(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "app")

    def of_router(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "router")

    def of_inclusion(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "inclusion")

    def of_route(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "route")

    app = way.new_app(dependencies=[Depends(of_app)])
    router = APIRouter(dependencies=[Depends(of_router)])

    @router.post("/", dependencies=[Depends(of_route)])
    async def endpoint():
        return "done"

    app.include_router(router, prefix="/included", dependencies=[Depends(of_inclusion)])
    with way.client() as client:
        assert client.post("/included/").status_code == 200
        assert diary.wait_for("route") == ["app", "inclusion", "router", "route"]


def test_an_included_router_adds_tasks(way: Way):
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")

    @inner.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "included")

    outer.include_router(inner)
    way.app.include_router(outer)
    with way.client() as client:
        assert client.post("/outer/inner/").status_code == 200
        diary.wait_for("included")
    assert way.stored() == ["included"]


def test_a_default_of_none_is_accepted(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks = None):  # type: ignore[assignment]  # as FastAPI's users write it
        tasks.add_task(note, "with a default")

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("with a default")


def test_a_dependency_that_hands_the_tasks_on_can_be_annotated_so(way: Way):
    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "dependency")
        return tasks

    @way.app.post("/")
    async def endpoint(tasks: Annotated[fastapi.BackgroundTasks, Depends(dependency)]):
        tasks.add_task(note, "endpoint")

    with way.client() as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("endpoint") == ["dependency", "endpoint"]


def test_an_overridden_dependency_adds_tasks(way: Way):
    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "the usual one")

    def another(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "the other one")

    @way.app.post("/", dependencies=[Depends(dependency)])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "endpoint")

    way.app.dependency_overrides[dependency] = another
    with way.client() as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("endpoint") == ["the other one", "endpoint"]


def test_each_request_has_tasks_of_its_own(way: Way):
    seen = []

    @way.app.post("/{number}")
    async def endpoint(number: int, tasks: imported.BackgroundTasks):
        seen.append(tasks)
        tasks.add_task(note, f"request {number}")

    with way.client() as client:
        for number in range(3):
            assert client.post(f"/{number}").status_code == 200
        diary.wait_for("request 0", "request 1", "request 2")
    assert len({id(tasks) for tasks in seen}) == 3
    assert way.stored() == ["request 0", "request 1", "request 2"]


@pytest.mark.skipif(not hasattr(FastAPI, "frontend"), reason="this FastAPI serves no frontends")
def test_a_dependency_of_a_frontend_stores_once_the_file_is_sent(way: Way, tmp_path: Path):
    """FastAPI closes the stacks of these requests only then."""

    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "served a file")

    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").write_text("hello")
    app = way.new_app(dependencies=[Depends(dependency)])
    app.frontend("/", directory=tmp_path / "dist")
    with way.client() as client:
        assert client.get("/").text == "hello"
        diary.wait_for("served a file")
    assert way.stored() == ["served a file"]


def test_a_mounted_app_is_covered_through_its_parent_when_it_changed_the_import(way: Way):
    mounted, deeper = FastAPI(), FastAPI()

    @mounted.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "mounted")

    @deeper.post("/")
    async def deep(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "mounted deeper")

    way.app.mount("/mounted", mounted)
    mounted.mount("/deeper", deeper)
    with way.client() as client:
        assert client.post("/mounted/").status_code == 200
        assert client.post("/mounted/deeper/").status_code == 200
        diary.wait_for("mounted", "mounted deeper")
    assert way.stored() == ([] if way.is_adopted else ["mounted", "mounted deeper"]), "adopting one adopts no other"


def test_a_mounted_app_is_adopted_when_it_is_itself(way: Way):
    mounted = FastAPI()

    @mounted.post("/")
    async def endpoint(tasks: fastapi.BackgroundTasks):
        tasks.add_task(note, "adopted")

    way.app.mount("/mounted", mounted)
    way.afterwards.adopt(mounted)
    with way.client() as client:
        assert client.post("/mounted/").status_code == 200
        diary.wait_for("adopted")
    assert way.stored() == ["adopted"]


def test_what_was_stored_is_done_in_the_end(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "one")

    with way.client() as client:
        client.post("/")
        diary.wait_for("one")
    with closing(sqlite3.connect(way.path)) as connection:
        assert connection.execute("SELECT state FROM afterwards_tasks").fetchall() == [("done",)]
