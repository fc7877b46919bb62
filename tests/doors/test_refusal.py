"""A store that refuses is answered with 503, nothing of the request runs, and others recover by themselves."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import fastapi
import pytest
from fastapi import Request
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException as StarletteHTTPException

from afterwards import Afterwards, StoreUnavailable, StoreUnusable, UnsupportedURL
from tests.doors import imported
from tests.doors.diary import diary, note
from tests.doors.ways import Means, Way


@pytest.fixture
def way(way: Way) -> Way:
    """As every test has it, but a request does not wait long for the store."""
    return Way(way.means, way.path, add_timeout=0.2)


@pytest.fixture
def client(way: Way) -> Iterator[TestClient]:
    @way.app.post("/{text}")
    async def endpoint(text: str, tasks: imported.BackgroundTasks):
        tasks.add_task(note, text)

    with way.client() as client:
        assert client.post("/before").status_code == 200
        diary.wait_for("before")
        yield client


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else holds the file's write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_a_locked_store_is_answered_with_503_and_the_next_request_is_served(way: Way, client: TestClient):
    with locked(way.path):
        response = client.post("/refused")
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert "cannot be stored" in response.json()["detail"]
    assert client.post("/after").status_code == 200
    assert diary.wait_for("after") == ["before", "after"]
    assert way.stored() == ["before", "after"], "nothing of a refused request is stored later"


def test_a_refused_request_says_nothing_of_results_that_were_dropped(
    way: Way, client: TestClient, caplog: pytest.LogCaptureFixture
):
    with locked(way.path):
        assert client.post("/refused").status_code == 503
    assert client.post("/after").status_code == 200
    diary.wait_for("after")
    assert "dropped" not in caplog.text


def test_a_request_that_adds_nothing_needs_no_store(way: Way, client: TestClient):
    @way.app.get("/nothing")
    async def nothing(tasks: imported.BackgroundTasks):
        return "served"

    with locked(way.path):
        assert client.get("/nothing").json() == "served"


@pytest.mark.parametrize("handled", [fastapi.HTTPException, StarletteHTTPException, 503], ids=str)
def test_the_refusal_goes_through_the_apps_own_handler(way: Way, client: TestClient, handled: type[Exception] | int):
    async def handler(request: Request, error: Any):
        return JSONResponse({"wrapped": error.detail}, status_code=error.status_code, headers=error.headers)

    way.app.add_exception_handler(handled, handler)
    way.app.middleware_stack = way.app.build_middleware_stack()
    with locked(way.path):
        response = client.post("/refused")
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "cannot be stored" in response.json()["wrapped"]


def test_a_dependency_sees_the_refusal_as_an_error(way: Way, client: TestClient):
    async def session() -> AsyncIterator[None]:
        try:
            yield
        except StoreUnavailable:
            diary.write("rolled back")
            raise

    @way.app.post("/with/session", dependencies=[fastapi.Depends(session)])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "refused")

    with locked(way.path):
        assert client.post("/with/session").status_code == 503
    assert diary.lines == ["before", "rolled back"]


def test_a_store_that_refuses_late_is_logged_with_the_ids(
    way: Way, client: TestClient, caplog: pytest.LogCaptureFixture
):
    ids = []

    @way.app.get("/stream")
    async def stream(tasks: imported.BackgroundTasks):
        async def content() -> AsyncIterator[str]:
            yield "answer"
            ids.append(tasks.add_task(note, "too late").id)

        return StreamingResponse(content())

    with locked(way.path):
        assert client.get("/stream").text == "answer"
    (record,) = [record for record in caplog.records if "could not be stored" in record.getMessage()]
    assert record.levelno == logging.ERROR
    assert str(ids[0]) in record.getMessage()


def test_an_add_in_a_handler_is_answered_with_503_too(way: Way, client: TestClient):
    @way.app.post("/added/directly")
    async def endpoint():
        await way.afterwards.add(note, "refused")

    with locked(way.path):
        response = client.post("/added/directly")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "detail" in response.json()


def test_an_app_starts_while_its_store_is_locked_and_recovers(way: Way, caplog: pytest.LogCaptureFixture):
    @way.app.post("/{text}")
    async def endpoint(text: str, tasks: imported.BackgroundTasks):
        tasks.add_task(note, text)

    with ExitStack() as app_runs:
        with locked(way.path):
            client = app_runs.enter_context(way.client())
            assert client.post("/refused").status_code == 503
            assert "the store is away (open)" in caplog.text
        assert client.post("/served").status_code == 200
        assert diary.wait_for("served") == ["served"]


def test_an_app_whose_late_store_is_no_store_refuses_tasks_until_somebody_cures_it(
    way: Way, caplog: pytest.LogCaptureFixture
):
    @way.app.post("/{text}")
    async def endpoint(text: str, tasks: imported.BackgroundTasks):
        tasks.add_task(note, text)

    with ExitStack() as app_runs:
        with locked(way.path):
            client = app_runs.enter_context(way.client())
            way.path.write_bytes(b"this is no database, whatever its name says" * 100)  # before the worker can open it
        assert client.post("/refused").status_code == 503
        assert "damaged or no SQLite file" in caplog.text
        way.path.unlink()
        assert client.post("/served").status_code == 200
        assert diary.wait_for("served") == ["served"]


def test_a_url_that_names_no_store_is_refused_at_once():
    with pytest.raises(UnsupportedURL):
        Afterwards(url="mongodb://localhost")


def test_a_corrupt_file_refuses_to_start(tmp_path: Path):
    path = tmp_path / "tasks.db"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    way = Way(Means.CHANGED, path)
    with pytest.raises(StoreUnusable, match=r"tasks\.db"), way.client():
        pass


def test_without_a_lifespan_tasks_are_stored_and_one_warning_says_who_will_run_them(
    way: Way, caplog: pytest.LogCaptureFixture
):
    @way.app.post("/{text}")
    async def endpoint(text: str, tasks: imported.BackgroundTasks):
        tasks.add_task(note, text)

    client = TestClient(way.finished_app())
    assert client.post("/one").status_code == 200
    assert client.post("/two").status_code == 200
    assert way.stored() == ["one", "two"]
    (warning,) = [record for record in caplog.records if "without its lifespan" in record.getMessage()]
    assert warning.levelno == logging.WARNING
    assert "AFTERWARDS_MODE=inline" in warning.getMessage()

    with way.client():  # the next app with a lifespan runs them
        diary.wait_for("one", "two")
