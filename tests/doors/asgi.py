"""Calls an app as a server does: through the ASGI messages themselves, or from a real uvicorn in a thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from tests.doors.diary import PATIENCE


async def call(app: ASGIApp, path: str, on_message: Callable[[Message], object] = lambda message: None) -> int:
    """POST to `path`; `on_message` sees each message as the server would, before it goes out. The status."""
    statuses = []
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # the client stays
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        on_message(message)
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)
    (status,) = statuses
    return int(status)


@asynccontextmanager
async def started(app: Starlette) -> AsyncIterator[None]:
    """The app's lifespan, in this loop."""
    async with app.router.lifespan_context(app):
        yield


@contextmanager
def served(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """A real server, up and stopped again; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started_or_dead = threading.Event()
    for _ in range(int(PATIENCE * 100)):
        if server.started or not thread.is_alive():
            break
        started_or_dead.wait(0.01)
    assert server.started, "the server did not start"
    try:
        address = server.servers[0].sockets[0].getsockname()
        yield address[0], address[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
