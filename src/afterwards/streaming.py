"""Server-sent events as a response that ends when it is over, when the client goes, and when the server stops."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEARTBEAT = 15.0  # seconds: proxies close what has been silent for a minute
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # or nginx keeps events back
}
BEAT = ": still here\n\n"


def event(name: str, data: str, *, id: str = "") -> str:
    """One event. `data` may have lines."""
    lines = [f"event: {name}", *([f"id: {id}"] if id else []), *(f"data: {line}" for line in data.split("\n"))]
    return "\n".join(lines) + "\n\n"


class EventStream(Response):
    """Sends what `parts` gives, each at once."""

    def __init__(self, parts: AsyncGenerator[str]) -> None:
        super().__init__(None, headers=HEADERS)
        self.raw_headers = [header for header in self.raw_headers if header[0] != b"content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends early when the client has gone, also where the server says so only when something is sent."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._send_all, send, group.cancel_scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

    async def _send_all(self, send: Send, scope: anyio.CancelScope) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with aclosing(self._parts) as parts:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # the client has gone
            pass
        scope.cancel()
