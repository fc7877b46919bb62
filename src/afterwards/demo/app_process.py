"""The app as a process of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

from afterwards.demo.place import DIRECTORY, MAIL_SERVER, Place

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 15.0
_LOOK = 0.02
_LAST_LINES = 15


class AppDied(Exception):
    """The app's process ended before it had answered; the message ends with what it said last."""


class AppProcess:
    """One app on one port, in as many processes one after another as it takes."""

    def __init__(self, place: Place, port: int, mail_server: str) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._place = place
        self._port = port
        self._mail_server = mail_server
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._running().pid

    async def start(self) -> None:
        """Returns when it answers. Raises AppDied, or TimeoutError."""
        command = (sys.executable, "-m", "afterwards.demo.serve", str(self._port))
        self._process = await asyncio.create_subprocess_exec(
            *command, env=self._environment(), stdin=PIPE, stdout=DEVNULL, stderr=PIPE
        )
        async with asyncio.timeout(_START_TIMEOUT):
            while not await self._listens():
                if self._process.returncode is not None:
                    raise AppDied(await self._last_words(self._process))
                await asyncio.sleep(_LOOK)

    async def wait(self) -> int:
        """Returns when its process has ended, with the exit code; negative after a signal."""
        return await self._running().wait()

    async def kill(self) -> None:
        """End it with no goodbye; it is gone when this returns."""
        self._running().kill()
        await self.wait()

    async def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    def _running(self) -> Process:
        assert self._process is not None, "start() first"
        return self._process

    def _environment(self) -> dict[str, str]:
        """The user's own settings of Afterwards are not meant for the demo."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("AFTERWARDS_")}
        return others | {DIRECTORY: str(self._place.directory), MAIL_SERVER: self._mail_server}

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def _last_words(self, process: Process) -> str:
        said = b"" if process.stderr is None else await process.stderr.read()
        logged = self._place.log.read_text(encoding="utf-8", errors="replace") if self._place.log.exists() else ""
        lines = (logged + said.decode(errors="replace")).splitlines()[-_LAST_LINES:]
        return "\n".join([f"the app ended with exit code {process.returncode}:", *lines])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether the app could listen there."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
