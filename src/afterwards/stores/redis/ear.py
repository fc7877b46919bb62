"""Hears in a thread of its own that somebody may have something to claim, and rings. Only a hint: it may miss some."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import cast

from redis.exceptions import ConnectionError, RedisError

from afterwards.chance import jittered
from afterwards.stores.redis.address import Address
from afterwards.stores.redis.route import Route
from afterwards.stores.redis.scripts import channel
from afterwards.stores.redis.wire import Wire

_LOOK_EVERY = 0.25  # seconds until it hears that it is to end
_PING_EVERY, _PONG_WITHIN = 10.0, 5.0  # so that a connection whose other end is gone without a word is noticed
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Ear:
    """Subscribed from `listen` until `close`, anew after every loss; then it rings, since it may have missed something.

    `caller` are its own scripts, which ring by themselves.
    """

    def __init__(self, address: Address, caller: str, *, timeout: float, ring: Callable[[], None]) -> None:
        self._channel = channel(address.tag)
        self._caller = caller.encode()
        self._route = Route(address, timeout=timeout)
        self._ring = ring
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wire: Wire | None = None
        self._ending = threading.Event()

    def listen(self) -> None:
        """Begin, if it has not; from any thread."""
        if self._thread is None:
            with self._changing:
                self._start()

    def close(self) -> None:
        """End soon; nobody has to wait for it."""
        self._ending.set()

    def forget(self) -> None:
        """In a forked child: the thread is not here, and the connection is the parent's."""
        if self._wire is not None:
            self._wire.close()

    def _start(self) -> None:
        if self._thread is None and not self._ending.is_set():
            self._thread = threading.Thread(target=self._run, name="afterwards-ear", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._ending.is_set():
            with contextlib.suppress(RedisError, OSError):
                self._hear(self._subscribed())
                pause = _FIRST_PAUSE
            self._leave()
            self._ending.wait(jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _subscribed(self) -> Wire:
        wire = self._wire = self._route.connect()
        wire.tell("SUBSCRIBE", self._channel)
        return wire

    def _hear(self, wire: Wire) -> None:
        """Until it is to end. Raises RedisError when the connection is lost."""
        heard_at = time.monotonic()
        pinged = False
        while not self._ending.is_set():
            message = wire.heard(_LOOK_EVERY)
            now = time.monotonic()
            if message is not None:
                heard_at, pinged = now, False
                self._take(cast("list[bytes]", message))
            elif now - heard_at > _PING_EVERY + _PONG_WITHIN:
                raise ConnectionError("it does not answer")
            elif now - heard_at > _PING_EVERY and not pinged:
                wire.tell("PING")
                pinged = True

    def _take(self, message: list[bytes]) -> None:
        kind, said = message[0], message[-1]
        if kind == b"subscribe" or (kind == b"message" and said != self._caller):
            self._ring()

    def _leave(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
