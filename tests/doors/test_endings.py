"""How a request ends says whether its tasks are stored: a response does, also a 4xx; an error does not."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.requests import Request

from tests.doors import imported
from tests.doors.diary import diary, note
from tests.doors.ways import Way


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 500, 503])
def test_a_returned_response_stores_whatever_its_status(way: Way, status: int):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "stored")
        return JSONResponse({}, status_code=status)

    with way.client() as client:
        assert client.post("/").status_code == status
        diary.wait_for("stored")
    assert way.stored() == ["stored"]


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_stores(way: Way, status: int):
    @way.app.post("/", status_code=status)
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "stored")

    with way.client() as client:
        assert client.post("/").status_code == status
        diary.wait_for("stored")


def test_a_status_set_on_the_response_parameter_stores(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks, response: Response):
        tasks.add_task(note, "stored")
        response.status_code = 418

    with way.client() as client:
        assert client.post("/").status_code == 418
        diary.wait_for("stored")


def test_a_redirect_and_a_head_request_store(way: Way):
    @way.app.get("/")
    async def away(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "redirected")
        return RedirectResponse("/elsewhere")

    @way.app.head("/")
    async def head(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "asked for the head")

    with way.client() as client:
        assert client.get("/", follow_redirects=False).status_code == 307
        assert client.head("/").status_code == 200
        diary.wait_for("redirected", "asked for the head")


def test_a_background_of_the_responses_own_runs_as_well(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "added")
        return JSONResponse({}, background=BackgroundTask(note, "the response's own"))

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("added", "the response's own")
    assert way.stored() == ["added"]


def test_tasks_that_are_passed_on_as_the_responses_background_run_once(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "one")
        tasks.add_task(note, "two")
        return JSONResponse({}, background=tasks)

    with way.client() as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("two") == ["one", "two"]
    assert way.stored() == diary.lines == ["one", "two"]


class OutOfStock(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(HTTPException(404), 404, id="HTTPException"),
        pytest.param(OutOfStock(), 409, id="handled"),
        pytest.param(RuntimeError(), 500, id="unhandled"),
    ],
)
@pytest.mark.parametrize("place", ["endpoint", "dependency"])
def test_a_request_that_raises_stores_nothing(way: Way, error: Exception, status: int, place: str):
    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "from the dependency")
        if place == "dependency":
            raise error

    @way.app.post("/", dependencies=[Depends(dependency)])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "from the endpoint")
        raise error

    @way.app.exception_handler(OutOfStock)
    async def handle(request: Request, error: Exception):
        return JSONResponse({}, status_code=409)

    assert_nothing_is_stored(way, status)


def test_a_request_that_raises_in_a_plain_def_stores_nothing(way: Way):
    @way.app.post("/")
    def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")
        raise HTTPException(409)

    assert_nothing_is_stored(way, 409)


def test_a_request_that_is_not_valid_stores_nothing(way: Way):
    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "added before the query was found invalid")

    @way.app.post("/", dependencies=[Depends(dependency)])
    async def endpoint(number: int):
        return number

    assert_nothing_is_stored(way, 422)


class Answer(BaseModel):
    number: int


def test_a_response_that_is_not_valid_stores_nothing(way: Way):
    @way.app.post("/", response_model=Answer)
    async def endpoint(tasks: imported.BackgroundTasks) -> Any:
        tasks.add_task(note, "never")
        return {"number": "none"}

    assert_nothing_is_stored(way, 500)


@pytest.mark.parametrize("tasks_first", [True, False], ids=["tasks solved first", "tasks solved last"])
def test_a_function_scope_dependency_that_fails_on_exit_stores_nothing(way: Way, tasks_first: bool):
    async def failing() -> AsyncIterator[None]:
        yield
        raise HTTPException(507)

    def adding(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")

    order = [Depends(adding), Depends(failing, scope="function")]

    @way.app.post("/", dependencies=order if tasks_first else order[::-1])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never either")

    assert_nothing_is_stored(way, 507)


def test_what_is_added_while_a_failing_request_is_cleaned_up_is_not_stored(way: Way):
    async def per_function(tasks: imported.BackgroundTasks) -> AsyncIterator[None]:
        try:
            yield
        finally:
            tasks.add_task(note, "never")

    async def per_request(tasks: imported.BackgroundTasks) -> AsyncIterator[None]:
        try:
            yield
        finally:
            tasks.add_task(note, "never either")

    @way.app.post("/", dependencies=[Depends(per_function, scope="function"), Depends(per_request)])
    async def endpoint():
        raise HTTPException(404)

    assert_nothing_is_stored(way, 404)


def test_a_request_scope_dependency_that_fails_on_exit_is_too_late_to_undo_what_is_stored(way: Way):
    async def failing(tasks: imported.BackgroundTasks) -> AsyncIterator[None]:
        yield
        tasks.add_task(note, "added before it failed")
        raise OutOfStock

    @way.app.post("/", dependencies=[Depends(failing)])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "stored with the response")

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("stored with the response")
    assert way.stored() == ["stored with the response"]


def test_a_dependency_may_turn_an_error_into_a_response_and_nothing_is_stored(way: Way):
    async def translating(tasks: imported.BackgroundTasks) -> AsyncIterator[None]:
        try:
            yield
        except OutOfStock:
            raise HTTPException(410) from None

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks, _: Annotated[None, Depends(translating)]):
        tasks.add_task(note, "never")
        raise OutOfStock

    assert_nothing_is_stored(way, 410)


def test_a_function_scope_dependency_that_swallows_an_error_hides_it_from_us_too(way: Way):
    """FastAPI then finds no response and answers 500, but its function stack has closed as if all were well."""

    async def swallowing() -> AsyncIterator[None]:
        with suppress(OutOfStock):
            yield

    @way.app.post("/", dependencies=[Depends(swallowing, scope="function")])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "stored all the same")
        raise OutOfStock

    with way.client() as client:
        assert client.post("/").status_code == 500
        diary.wait_for("stored all the same")


def test_a_request_scope_dependency_that_swallows_an_error_does_not(way: Way):
    async def swallowing() -> AsyncIterator[None]:
        with suppress(OutOfStock):
            yield

    @way.app.post("/", dependencies=[Depends(swallowing)])
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")
        raise OutOfStock

    assert_nothing_is_stored(way, 500)


def assert_nothing_is_stored(way: Way, status: int) -> None:
    """Nothing is, and the next request is served as if nothing had been."""

    @way.app.post("/next")
    async def next_endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "of the next request")

    with way.client() as client:
        assert client.post("/").status_code == status
        assert client.post("/next").status_code == 200
        assert diary.wait_for("of the next request") == ["of the next request"]
    assert way.stored() == ["of the next request"]
