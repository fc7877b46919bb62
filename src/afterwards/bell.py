"""Wakes those who wait for something to claim, in whatever event loop they are. Never says what there is."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Generator
from contextlib import contextmanager


class Waiter:
    """Somebody who listens. What is rung between two waits is not missed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # its loop has been closed
            self._loop.call_soon_threadsafe(self._rung.set)

    def hush(self) -> None:
        """From now on only a new ring counts."""
        self._rung.clear()

    async def rung(self, timeout: float) -> bool:
        """Return at the next ring, or after `timeout` seconds; whether it has rung."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        return self._rung.is_set()


class Hopeful:
    """The workers whose last claim brought something: when the bell rings, these claim without a look before.

    One claim in vain ends that, so that of many who hear the bell only those go by it who are not too late.
    """

    def __init__(self) -> None:
        self._workers: set[str] = set()

    def __contains__(self, worker: object) -> bool:
        return worker in self._workers

    def note_claim(self, worker: str, *, brought: bool) -> None:
        """This claim has brought something, or nothing."""
        if brought:
            self._workers.add(worker)
        else:
            self._workers.discard(worker)


class Bell:
    """Rung after a write that may have made something claimable."""

    def __init__(self) -> None:
        self._waiters: set[Waiter] = set()
        self._changing = threading.Lock()

    @property
    def heard(self) -> bool:
        """Somebody listens."""
        return bool(self._waiters)

    @contextmanager
    def listening(self) -> Generator[Waiter]:
        """Listen inside the block."""
        waiter = Waiter()
        with self._changing:
            self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            with self._changing:
                self._waiters.discard(waiter)

    def ring(self) -> None:
        """Wake all who listen; from any thread."""
        with self._changing:
            waiters = list(self._waiters)
        for waiter in waiters:
            waiter.ring()
