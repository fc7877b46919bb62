"""A small load generator: keep-alive connections that post, wait for the whole answer, and post again."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, cast

ANSWERS_WITHIN = 60.0  # seconds, or what is measured hangs
_REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


class Exchange(NamedTuple):
    """When a request was sent, by the clock of this machine, and how long its answer took; both in nanoseconds."""

    began: int
    took: int


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends, and sends again when the whole answer is there."""

    def __init__(self, took: list[float], statuses: dict[bytes, int], until: float) -> None:
        self._took, self._statuses, self._until = took, statuses, until
        self._buffer = b""
        self._sent_at = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not inherit from it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now = time.perf_counter()
        self._took.append(now - self._sent_at)
        status = head[9:12]
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(_REQUEST)


def _length(head: bytes) -> int:
    start = head.lower().index(b"content-length:") + len(b"content-length:")
    return int(head[start:].split(b"\r\n", 1)[0])


async def post_for(port: int, *, seconds: float, connections: int) -> tuple[list[float], dict[bytes, int]]:
    """How long each request took, in seconds, and how often each status came. Raises TimeoutError."""
    took: list[float] = []
    statuses: dict[bytes, int] = {}
    loop, until = asyncio.get_running_loop(), time.perf_counter() + seconds
    protocols = [
        (await loop.create_connection(lambda: Connection(took, statuses, until), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + ANSWERS_WITHIN):
        await asyncio.gather(*(protocol.finished for protocol in protocols))
    return took, statuses


async def post_spaced(port: int, *, count: int, pause: float) -> list[Exchange]:
    """Single requests to an idle server, one every `pause` seconds."""
    exchanges: list[Exchange] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.perf_counter()
    for _ in range(count):
        began = time.monotonic_ns()
        writer.write(_REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        exchanges.append(Exchange(began=began, took=time.monotonic_ns() - began))
        due += pause
        await asyncio.sleep(max(due - time.perf_counter(), 0))
    writer.close()
    return exchanges
