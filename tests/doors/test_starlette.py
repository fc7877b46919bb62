"""The Starlette door: a batch is stored when its block ends, and its tasks start when the response has been sent."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from afterwards import Afterwards, CannotStore, NotInstalled, RequestEnded, State, StoreUnavailable, StoreUnusable
from afterwards.adding import Tasks
from afterwards.batch import TaskHandle
from afterwards.starlette import BackgroundTasks
from afterwards.testing import inline
from tests.doors.asgi import call, started
from tests.doors.diary import diary, fail, gate, note, slowly, wait_at_the_gate
from tests.doors.takers import RefusesLate
from tests.doors.ways import stored

SOON = 3.0  # seconds: less than a task waits for a response that is never said to be sent

Endpoint = Callable[[Request], Awaitable[Response]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def afterwards(path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{path}", add_timeout=0.2)


def app_of(afterwards: Afterwards, endpoint: Endpoint) -> Starlette:
    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    afterwards.install(app)
    return app


def client_of(afterwards: Afterwards, endpoint: Endpoint) -> TestClient:
    return TestClient(app_of(afterwards, endpoint), raise_server_exceptions=False)


async def test_a_batch_is_in_the_file_when_its_block_ends_and_starts_after_the_response(
    afterwards: Afterwards, path: Path
):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            handle = tasks.add_task(slowly, "one")
            tasks.add_task(note, "two")
            assert stored(path) == []
        assert stored(path) == ["one", "two"]

        async def stream() -> AsyncIterator[str]:
            for _ in range(3):
                await afterwards.add(note, "another")  # the worker is awake
                await asyncio.to_thread(diary.wait_for, "another")
                yield "part"

        return StreamingResponse(stream(), headers={"Task": str(handle.id)})

    def say_end(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            diary.write("last byte")

    app = app_of(afterwards, endpoint)
    async with started(app):
        assert await call(app, "/", say_end) == 200
        lines = await asyncio.to_thread(diary.wait_for, "two")
    assert [line for line in lines if line != "another"] == ["last byte", "one begins", "one ends", "two"]


async def test_the_tasks_start_also_where_the_callers_own_task_runs_the_app(afterwards: Afterwards):
    handles: list[TaskHandle] = []

    async def endpoint(request: Request) -> Response:
        for text in ("one", "two"):
            async with afterwards.batch(request) as tasks:
                handles.append(tasks.add_task(note, text))
        return PlainTextResponse("done")

    app = app_of(afterwards, endpoint)
    async with started(app):
        assert await call(app, "/") == 200
        for handle in handles:
            assert (await afterwards.wait(handle.id, timeout=SOON)).state is State.DONE


async def test_the_tasks_start_also_when_the_response_fails_after_the_block(afterwards: Afterwards):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            tasks.add_task(note, "stored")
        raise ZeroDivisionError

    app = app_of(afterwards, endpoint)
    async with started(app):
        with pytest.raises(ZeroDivisionError):
            await call(app, "/")
        await asyncio.to_thread(diary.wait_for, "stored")


def test_the_tasks_of_each_block_run_inline_although_those_of_another_fail(afterwards: Afterwards):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            tasks.add_task(fail, "one")
        async with afterwards.batch(request) as tasks:
            tasks.add_task(note, "two")
        return PlainTextResponse("done")

    with inline(afterwards), TestClient(app_of(afterwards, endpoint)) as client:
        with pytest.raises(RuntimeError, match="one"):
            client.post("/")
        assert diary.lines == ["one", "two"]


async def test_a_batch_in_an_app_that_nothing_is_installed_around_starts_at_its_end(afterwards: Afterwards):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            handle = tasks.add_task(note, "from elsewhere")
        await afterwards.wait(handle.id, timeout=SOON)
        return PlainTextResponse("done")

    app = app_of(afterwards, endpoint)
    async with started(app):
        assert await call(Starlette(routes=[Route("/", endpoint, methods=["POST"])]), "/") == 200


def test_an_error_in_the_block_stores_nothing(afterwards: Afterwards, path: Path):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            tasks.add_task(note, "never")
            raise HTTPException(409)

    with client_of(afterwards, endpoint) as client:
        assert client.post("/").status_code == 409
    assert stored(path) == []


def test_a_batch_that_is_used_after_its_block_says_what_to_do_instead(afterwards: Afterwards, path: Path):
    kept: list[Tasks] = []

    async def endpoint(request: Request) -> Response:
        with suppress(ZeroDivisionError):
            async with afterwards.batch(request) as tasks:
                kept.append(tasks)
                raise ZeroDivisionError
        async with afterwards.batch(request) as tasks:
            kept.append(tasks)
        return PlainTextResponse("done")

    with client_of(afterwards, endpoint) as client:
        assert client.post("/").status_code == 200
    for tasks in kept:
        with pytest.raises(RequestEnded):
            tasks.add_task(note, "never")


def test_a_batch_takes_options(afterwards: Afterwards, path: Path):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            tasks.using(delay=3600).add_task(note, "later")
            tasks.add_task(note, "now")
        return PlainTextResponse("done")

    with client_of(afterwards, endpoint) as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("now") == ["now"]
    assert stored(path) == ["later", "now"]


def test_the_response_does_not_wait_for_the_tasks_also_behind_middleware(afterwards: Afterwards):
    async def endpoint(request: Request) -> Response:
        async with afterwards.batch(request) as tasks:
            tasks.add_task(wait_at_the_gate, "the task")
        return PlainTextResponse("answer")

    app = app_of(afterwards, endpoint)
    for _ in range(2):
        app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    with TestClient(app) as client:
        assert client.post("/").text == "answer"
        assert "the task" not in diary.wait_for("the task waits")
        gate.set()
        diary.wait_for("the task")


@pytest.fixture
def locked(path: Path) -> Iterator[Callable[[], None]]:
    """Lets somebody else hold the file's write lock."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:

        def lock() -> None:
            connection.execute("BEGIN IMMEDIATE")

        yield lock


def test_a_store_that_refuses_is_answered_with_503(afterwards: Afterwards, path: Path, locked: Callable[[], None]):
    seen: list[type[BaseException]] = []

    async def endpoint(request: Request) -> Response:
        locked()
        try:
            async with afterwards.batch(request) as tasks:
                tasks.add_task(note, "never")
        except StoreUnavailable as error:
            seen.append(type(error))
            raise
        return PlainTextResponse("done")

    with client_of(afterwards, endpoint) as client:
        response = client.post("/")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert len(seen) == 1
    assert stored(path) == []


def test_a_websocket_stores_and_starts_at_the_blocks_end(afterwards: Afterwards, path: Path):
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            async with afterwards.batch(websocket) as tasks:
                tasks.add_task(note, text)
            await websocket.send_json(stored(path))

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    afterwards.install(app)
    with TestClient(app) as client, suppress(WebSocketDisconnect), client.websocket_connect("/") as websocket:
        websocket.send_text("said")
        assert websocket.receive_json() == ["said"]
        diary.wait_for("said")


def test_tasks_as_the_responses_background_are_stored_once_it_is_sent(afterwards: Afterwards, path: Path):
    in_the_file: list[list[str]] = []

    async def endpoint(request: Request) -> Response:
        tasks = BackgroundTasks(request)
        tasks.add_task(note, "one")
        tasks.using(queue="mail").add_task(note, "two")
        in_the_file.append(stored(path))
        return JSONResponse({}, background=tasks)

    with client_of(afterwards, endpoint) as client:
        assert client.post("/").status_code == 200
        diary.wait_for("one", "two")
    assert in_the_file == [[]]
    assert stored(path) == ["one", "two"]


def test_tasks_as_a_background_are_forgotten_with_a_request_that_raises(afterwards: Afterwards, path: Path):
    async def endpoint(request: Request) -> Response:
        tasks = BackgroundTasks(request)
        tasks.add_task(note, "never")
        raise HTTPException(404)

    with client_of(afterwards, endpoint) as client:
        assert client.post("/").status_code == 404
    assert stored(path) == []


def test_tasks_as_a_background_that_the_store_refuses_are_logged(
    afterwards: Afterwards, path: Path, locked: Callable[[], None], caplog: pytest.LogCaptureFixture
):
    async def endpoint(request: Request) -> Response:
        tasks = BackgroundTasks(request)
        tasks.add_task(note, "never")
        locked()
        return PlainTextResponse("answer", background=tasks)

    with client_of(afterwards, endpoint) as client:
        assert client.post("/").text == "answer"
    assert "could not be stored" in caplog.text
    assert stored(path) == []


@pytest.mark.parametrize("error", [CannotStore(), StoreUnusable()], ids=repr)
def test_tasks_as_a_background_that_are_refused_for_good_are_logged_too(
    afterwards: Afterwards, error: Exception, caplog: pytest.LogCaptureFixture
):
    async def endpoint(request: Request) -> Response:
        tasks = BackgroundTasks(request)
        tasks.add_task(note, "never")
        return PlainTextResponse("answer", background=tasks)

    with afterwards.house.taking(RefusesLate(error)), client_of(afterwards, endpoint) as client:
        assert client.post("/").text == "answer"
    assert "could not be stored" in caplog.text


def test_a_mounted_app_finds_the_store_of_the_app_around_it(afterwards: Afterwards, path: Path):
    async def endpoint(request: Request) -> Response:
        tasks = BackgroundTasks(request)
        tasks.add_task(note, "from the mounted app")
        return PlainTextResponse("done", background=tasks)

    mounted = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    app = Starlette(routes=[Mount("/outer", routes=[Mount("/inner", mounted)])])
    afterwards.install(app)
    with TestClient(app) as client:
        assert client.post("/outer/inner/").status_code == 200
        diary.wait_for("from the mounted app")
    assert stored(path) == ["from the mounted app"]


def test_an_app_without_an_afterwards_says_how_to_install_one(afterwards: Afterwards, tmp_path: Path):
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("done", background=BackgroundTasks(request))

    app_of(afterwards, endpoint)
    other = app_of(Afterwards(url=f"sqlite:///{tmp_path}/other.db"), endpoint)
    bare = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    with pytest.raises(NotInstalled, match=r"Afterwards\(app\)"), TestClient(bare) as client:
        client.post("/")
    assert other.routes, "with one Afterwards in the process it would have been that"
