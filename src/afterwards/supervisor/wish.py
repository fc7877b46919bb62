"""Something that a process is told once: by a signal, by its supervisor, from any thread. Awaited in its event loop."""

from __future__ import annotations

import asyncio
import contextlib


class Wish:
    """Takes no lock, since a signal may come while the same thread holds it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.told = False

    def tell(self) -> None:
        """From anywhere, also before anybody waits."""
        self.told = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nothing is left to be told
                loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Until it has been told."""
        self._loop = asyncio.get_running_loop()
        if not self.told:
            await self._event.wait()
