"""Middleware neither waits for the tasks nor cancels them."""

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.doors import imported
from tests.doors.diary import diary, gate, note, wait_at_the_gate
from tests.doors.ways import Way


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


def once(app: FastAPI) -> None:
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)


def twice(app: FastAPI) -> None:
    once(app)
    once(app)


def compressed(app: FastAPI) -> None:
    app.add_middleware(GZipMiddleware, minimum_size=0)


@pytest.fixture(params=[once, twice, compressed], ids=["BaseHTTPMiddleware", "BaseHTTPMiddleware twice", "GZip"])
def behind(request: pytest.FixtureRequest, way: Way) -> Way:
    add: Any = request.param
    add(way.app)
    return way


def test_the_response_does_not_wait_for_the_tasks(behind: Way):
    @behind.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(wait_at_the_gate, "one")
        tasks.add_task(note, "two")
        return PlainTextResponse("answer " * 1000)

    with behind.client() as client:
        assert client.post("/").text == "answer " * 1000
        assert "one" not in diary.wait_for("one waits")
        gate.set()
        assert diary.wait_for("two") == ["one waits", "one", "two"]


def test_a_request_that_raises_stores_nothing_behind_middleware(behind: Way):
    @behind.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")
        raise HTTPException(404)

    with behind.client() as client:
        assert client.post("/").status_code == 404
    assert behind.stored() == []


def test_middleware_that_tries_again_gets_tasks_of_their_own_for_each_try(way: Way):
    class TryingAgain:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.app(scope, receive, send)
            except RuntimeError:
                await self.app(scope, receive, send)

    tries: list[str] = []

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tries.append(f"try {len(tries) + 1}")
        tasks.add_task(note, tries[-1])
        if len(tries) == 1:
            raise RuntimeError("once")

    way.app.add_middleware(TryingAgain)
    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("try 2")
    assert way.stored() == ["try 2"]
