"""A WebSocket has no status to give: what it adds is stored at its end, or when the client leaves, not on an error."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import pytest
from fastapi import Depends, WebSocket, WebSocketException
from starlette.websockets import WebSocketDisconnect

from tests.doors import imported
from tests.doors.diary import diary, note
from tests.doors.ways import Way


def test_a_websocket_stores_at_its_end(way: Way):
    def dependency(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "dependency")

    @way.app.websocket("/", dependencies=[Depends(dependency)])
    async def endpoint(websocket: WebSocket, tasks: imported.BackgroundTasks):
        await websocket.accept()
        tasks.add_task(note, await websocket.receive_text())
        await websocket.send_json(way.stored())
        await websocket.close()

    with way.client() as client:
        with client.websocket_connect("/") as websocket:
            websocket.send_text("said")
            assert websocket.receive_json() == [], "nothing is stored while it is open"
        assert diary.wait_for("dependency", "said") == ["dependency", "said"]
    assert way.stored() == ["dependency", "said"]


def test_a_websocket_whose_client_leaves_stores(way: Way):
    @way.app.websocket("/")
    async def endpoint(websocket: WebSocket, tasks: imported.BackgroundTasks):
        await websocket.accept()
        while True:
            tasks.add_task(note, await websocket.receive_text())
            await websocket.send_text("heard")

    with way.client() as client:
        with suppress(WebSocketDisconnect), client.websocket_connect("/") as websocket:
            websocket.send_text("one")
            websocket.receive_text()
            websocket.send_text("two")
            websocket.receive_text()
        assert diary.wait_for("two") == ["one", "two"]


def test_a_websocket_dependency_may_add_when_the_client_has_left(way: Way):
    async def dependency(tasks: imported.BackgroundTasks) -> AsyncIterator[str]:
        try:
            yield "value"
        finally:
            tasks.add_task(note, "left")

    @way.app.websocket("/")
    async def endpoint(websocket: WebSocket, value: Annotated[str, Depends(dependency)]):
        await websocket.accept()
        await websocket.receive_text()

    with way.client() as client:
        with suppress(WebSocketDisconnect), client.websocket_connect("/"):
            pass  # and leaves
        diary.wait_for("left")


@pytest.mark.parametrize("error", [RuntimeError("broken"), WebSocketException(1008)], ids=["error", "policy"])
def test_a_websocket_that_raises_stores_nothing(way: Way, error: Exception):
    @way.app.websocket("/")
    async def endpoint(websocket: WebSocket, tasks: imported.BackgroundTasks):
        await websocket.accept()
        tasks.add_task(note, "never")
        raise error

    @way.app.post("/next")
    async def next_endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "of the next request")

    with way.client() as client:
        with pytest.raises((RuntimeError, WebSocketDisconnect)), client.websocket_connect("/") as websocket:
            websocket.receive_text()
        assert client.post("/next").status_code == 200
        assert diary.wait_for("of the next request") == ["of the next request"]
    assert way.stored() == ["of the next request"]
