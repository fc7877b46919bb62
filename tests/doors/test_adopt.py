"""Adopting an app changes that app, no other, and no import; of a FastAPI whose inside is strange it keeps away."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import fastapi
import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient

from afterwards import Afterwards, UnsupportedFastAPI
from tests.doors import imported
from tests.doors.diary import diary, note
from tests.doors.ways import Means, Way


@pytest.fixture
def adopted(tmp_path: Path) -> Way:
    return Way(Means.ADOPTED_FIRST, tmp_path / "tasks.db")


def declare(app: FastAPI, *, text: str) -> None:
    @app.post("/")
    async def endpoint(tasks: fastapi.BackgroundTasks):
        tasks.add_task(note, text)


def test_other_apps_of_the_process_stay_stock(adopted: Way):
    stock = FastAPI()
    declare(adopted.app, text="adopted")
    declare(stock, text="stock")
    with adopted.client() as client, TestClient(stock) as other:
        assert other.post("/").status_code == 200
        assert diary.lines == ["stock"], "stock tasks have run when the call returns"
        client.post("/")
        diary.wait_for("adopted")
    assert adopted.stored() == ["adopted"]


def test_a_stock_app_that_is_mounted_in_an_adopted_one_stays_stock(adopted: Way):
    mounted = FastAPI()
    declare(mounted, text="stock")
    adopted.app.mount("/mounted", mounted)
    with adopted.client() as client:
        assert client.post("/mounted/").status_code == 200
        assert diary.lines == ["stock"]
    assert adopted.stored() == []


def test_two_adopted_apps_keep_their_tasks_apart(adopted: Way, tmp_path: Path):
    second = Way(Means.ADOPTED_LAST, tmp_path / "second.db")
    declare(adopted.app, text="first")
    declare(second.app, text="second")
    with adopted.client() as client, second.client() as other:
        client.post("/")
        other.post("/")
        diary.wait_for("first", "second")
    assert (adopted.stored(), second.stored()) == (["first"], ["second"])


def test_what_has_no_name_runs_after_the_response_as_before_with_a_warning(
    adopted: Way, caplog: pytest.LogCaptureFixture
):
    @adopted.app.post("/")
    async def endpoint(tasks: fastapi.BackgroundTasks):
        tasks.add_task(note, "stored")
        tasks.add_task(lambda: diary.write("from a lambda"))
        return {"lines": diary.lines}

    with adopted.client() as client:
        assert client.post("/").json() == {"lines": []}
        diary.wait_for("stored", "from a lambda")
    assert adopted.stored() == ["stored"]
    (warning,) = [record for record in caplog.records if "not durably" in record.getMessage()]
    assert warning.levelno == logging.WARNING
    assert "lambda" in warning.getMessage()


def test_a_websocket_runs_what_has_no_name_at_its_end(adopted: Way):
    @adopted.app.websocket("/")
    async def endpoint(websocket: fastapi.WebSocket, tasks: fastapi.BackgroundTasks):
        await websocket.accept()
        tasks.add_task(lambda: diary.write("from a lambda"))
        await websocket.close()

    with adopted.client() as client, client.websocket_connect("/"):
        diary.wait_for("from a lambda")


def test_a_late_failure_keeps_what_has_no_name_and_was_added_before(adopted: Way):
    async def failing() -> AsyncIterator[None]:
        yield
        raise RuntimeError("too late")

    @adopted.app.post("/", dependencies=[Depends(failing)])
    async def endpoint(tasks: fastapi.BackgroundTasks):
        tasks.add_task(lambda: diary.write("from a lambda"))

    with adopted.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("from a lambda")


def test_a_default_in_place_of_annotated_works_when_adopted_and_is_refused_with_the_changed_import(adopted: Way):
    def dependency(tasks: fastapi.BackgroundTasks):
        tasks.add_task(note, "dependency")
        return tasks

    @adopted.app.post("/")
    async def endpoint(tasks: fastapi.BackgroundTasks = Depends(dependency)):
        tasks.add_task(note, "endpoint")

    with adopted.client() as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("endpoint") == ["dependency", "endpoint"]
    with pytest.raises(AssertionError, match="Depends"):

        @adopted.app.post("/changed")
        async def changed(tasks: imported.BackgroundTasks = Depends(dependency)): ...


def test_code_that_works_on_the_list_of_tasks_itself_works_as_before(adopted: Way):
    from starlette.background import BackgroundTask

    @adopted.app.post("/")
    async def endpoint(tasks: fastapi.BackgroundTasks):
        tasks.tasks.append(BackgroundTask(note, "appended"))

    with adopted.client() as client:
        assert client.post("/").status_code == 200
        assert diary.lines == ["appended"]


def test_a_changed_import_inside_an_adopted_app_is_the_same_object(adopted: Way):
    @adopted.app.post("/")
    async def endpoint(plain: fastapi.BackgroundTasks, changed: imported.BackgroundTasks):
        plain.add_task(note, "one")
        changed.add_task(note, "two")
        return plain is changed

    with adopted.client() as client:
        assert client.post("/").json() is True
        assert diary.wait_for("two") == ["one", "two"]


def test_an_app_of_its_own_class_is_adopted_with_its_own_routes_class(adopted: Way):
    class Route(fastapi.routing.APIRoute):
        def get_route_handler(self) -> Any:
            handle = super().get_route_handler()

            async def handler(request: fastapi.Request) -> fastapi.Response:
                response = await handle(request)
                response.headers["Passed"] = "yes"
                return response

            return handler

    router = APIRouter(route_class=Route)

    @router.post("/")
    async def endpoint(tasks: fastapi.BackgroundTasks):
        tasks.add_task(note, "added")

    adopted.app.include_router(router)
    with adopted.client() as client:
        assert client.post("/").headers["Passed"] == "yes"
        diary.wait_for("added")
    assert adopted.stored() == ["added"]


@pytest.fixture
def strange_fastapi(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.param is None:
        monkeypatch.delattr(fastapi.routing, "solve_dependencies")
    else:
        monkeypatch.setattr(fastapi.routing, "solve_dependencies", request.param)


async def solve_otherwise(*, connection: object, dependant: object) -> None:
    """What a FastAPI of another shape might have."""


@pytest.mark.parametrize("strange_fastapi", [None, solve_otherwise], ids=["gone", "another shape"], indirect=True)
@pytest.mark.usefixtures("strange_fastapi")
def test_a_fastapi_of_another_shape_is_refused_with_the_way_out(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path}/tasks.db")
    with pytest.raises(UnsupportedFastAPI, match=r"from afterwards import BackgroundTasks") as refusal:
        afterwards.adopt(FastAPI())
    assert fastapi.__version__ in str(refusal.value)
