"""What the tests of the Redis store share: a store on a server, other hands on its keys, a wire that can be cut."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit
from uuid import uuid4

import redis

from afterwards.stores import store_for
from tests.contract.builders import TimedStore

PATIENCE = timedelta(seconds=1)
LONG_PATIENCE = timedelta(seconds=20)


def a_store(url: str, *, add_timeout: timedelta = LONG_PATIENCE, **options: object) -> TimedStore:
    """A store new and empty on that server, unless a tag says which."""
    query = "&".join(f"{name}={value}" for name, value in {"tag": uuid4().hex, **options}.items())
    return cast(TimedStore, store_for(f"{url}?{query}", add_timeout=add_timeout))


@contextlib.contextmanager
def another_connection(url: str) -> Iterator[redis.Redis]:
    """Somebody else's."""
    with redis.Redis.from_url(url, socket_timeout=5) as connection:
        yield connection


def until(condition: Callable[[], object], what: str, *, timeout: float = 20.0) -> None:
    """Wait until the condition holds; fail in words."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


class Passage:
    """Passes every byte between its port and a server's, until told to lose what comes back, or to stand still.

    `loses_answers` cuts a connection when the server answers: what was asked has been done then. `is_deaf` passes
    nothing and closes nothing, as a network does whose other end is gone without a word. `last_words` follow one
    answer to what has `last_words_to` in it, and the connection stays, as with a server that takes its time to go.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.loses_answers_to: bytes | None = None
        self.last_words_to: bytes | None = None
        self.last_words = b""
        self.is_deaf = False
        self.lost = 0
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closing = True
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._server)
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        asked = b""
        with near, far, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while not self._closing:
                for key, _ in selector.select(0.05):
                    if self.is_deaf:
                        time.sleep(0.02)
                        continue
                    some = cast(socket.socket, key.fileobj).recv(65536)
                    if not some:
                        return
                    if key.fileobj is near:
                        asked = some
                    elif self.loses_answers_to is not None and self.loses_answers_to in asked:
                        self.lost += 1
                        return
                    key.data.sendall(some)
                    if key.fileobj is far and self.last_words_to is not None and self.last_words_to in asked:
                        self.last_words_to = None
                        self.lost += 1
                        near.sendall(self.last_words)


@contextlib.contextmanager
def a_passage(url: str) -> Iterator[Passage]:
    passage = Passage(url)
    try:
        yield passage
    finally:
        passage.close()
