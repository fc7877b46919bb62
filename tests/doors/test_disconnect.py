"""A client that goes away takes no task with it, whether it leaves before, during or after the response."""

import asyncio
import socket
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from tests.doors import imported
from tests.doors.asgi import served
from tests.doors.diary import diary, note
from tests.doors.ways import Way

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def test_a_client_that_leaves_before_the_response(way: Way):
    @way.app.get("/")
    async def endpoint(request: Request, tasks: imported.BackgroundTasks):
        tasks.add_task(note, "added")
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)

    with served(way.finished_app()) as address:
        leave_after(address, GET)
        diary.wait_for("added")
    assert way.stored() == ["added"]


def test_a_client_that_leaves_during_the_response(way: Way):
    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        async def for_ever() -> AsyncIterator[bytes]:
            tasks.add_task(note, "added inside")
            while True:
                yield b"more"
                await asyncio.sleep(0.01)

        tasks.add_task(note, "added before")
        return StreamingResponse(for_ever())

    with served(way.finished_app()) as address:
        leave_after(address, GET, read=b"more")
        diary.wait_for("added before", "added inside")


def test_a_client_that_leaves_after_the_response(way: Way):
    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "added")
        return "answer"

    with served(way.finished_app()) as address:
        leave_after(address, GET, read=b"answer")
        diary.wait_for("added")


def test_a_handler_that_never_got_its_body_has_failed_and_stores_nothing(way: Way):
    @way.app.post("/")
    async def endpoint(request: Request, tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")
        try:
            await request.body()
        except ClientDisconnect:
            diary.write("the client left")
            raise

    with served(way.finished_app()) as address:
        leave_after(address, b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nhalf")
        diary.wait_for("the client left")
    assert way.stored() == []


def leave_after(address: tuple[str, int], request: bytes, read: bytes = b"") -> None:
    """Send the request, read until `read` has come, and hang up."""
    with socket.create_connection(address) as connection:
        connection.sendall(request)
        received = b""
        while read not in received:
            received += connection.recv(65536)
