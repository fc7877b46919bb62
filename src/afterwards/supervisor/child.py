"""One worker process, as its supervisor sees it: an interpreter of its own, and a socket to it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Generator, Sequence

from afterwards.supervisor.health import Seen
from afterwards.supervisor.reports import LONGEST_LINE, CannotStart, Report, Wanted, from_line

PATIENCE = 60.0  # seconds without a report, after which a child is ended
HELD_BACK = (signal.SIGINT, signal.SIGTERM)  # from a new child, until it heeds them
_LAST_LINES = 1.0  # seconds: what a task forked may hold the socket open for ever


class Child:
    """Made by `start_child`; `left` is set when its place is free: it has ended, or rests."""

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        patience: float,
    ) -> None:
        self.number, self._process, self._reader, self._writer = number, process, reader, writer
        self._patience = patience
        self._begun = self._heard_at = time.monotonic()
        self.report: Report | None = None
        self.cannot_start: str | None = None
        self.code: int | None = None
        self.lived = 0.0
        self.rests = self.hangs = self._told_up = False
        self.left = asyncio.Event()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def came_up(self) -> bool:
        """It has imported the functions and begun to work, at some time."""
        return self.report is not None and self.report.up

    def has_just_come_up(self) -> bool:
        """True once, after the first report that says so."""
        just, self._told_up = self.came_up and not self._told_up, self._told_up or self.came_up
        return just

    async def tend(self, heard: Callable[[Child], None]) -> None:
        """Hear its reports, calling `heard` for each, until it has ended. One that falls silent for long is ended."""
        async with asyncio.TaskGroup() as group:
            hearing, missing = group.create_task(self._hear(heard)), group.create_task(self._miss())
            code = await self._process.wait()
            await asyncio.wait([hearing], timeout=_LAST_LINES)
            hearing.cancel()
            missing.cancel()
        self.code, self.lived = code, time.monotonic() - self._begun
        self._writer.close()
        self.left.set()

    def rest(self) -> None:
        """It is to claim nothing more, and to end when what runs has ended; another may take its place now."""
        self.rests = True
        self._tell(Wanted.REST)
        self.left.set()

    def stop(self) -> None:
        """It is to stop; what runs gets `grace`."""
        self._tell(Wanted.STOP)

    def kill(self) -> None:
        """It ends at once; what ran will run again elsewhere."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def seen(self) -> Seen:
        """How it looks from here. Asked from any thread."""
        pid = self.pid if self.code is None else None
        return Seen(number=self.number, pid=pid, report=self.report, silent=self._silence())

    def _tell(self, wanted: Wanted) -> None:
        if not self._writer.is_closing():
            self._writer.write(f"{wanted}\n".encode())

    async def _hear(self, heard: Callable[[Child], None]) -> None:
        with contextlib.suppress(ConnectionError):
            async for line in self._reader:
                match from_line(line):
                    case Report() as report:
                        self.report, self._heard_at = report, time.monotonic()
                    case CannotStart(text=text):
                        self.cannot_start = text
                heard(self)

    async def _miss(self) -> None:
        """A child reports from a thread of its own: one that does not has lost all its threads, as in a deadlock."""
        while self.report is None or self._silence() < self._patience:
            await asyncio.sleep(min(1.0, self._patience))
        self.hangs = True
        self.kill()

    def _silence(self) -> float:
        return time.monotonic() - self._heard_at


async def start_child(number: int, command: Sequence[str], *, patience: float = PATIENCE) -> Child:
    """A fresh interpreter, never a fork: threads and connections of this process are none of its own.

    Raises OSError when the system has none.
    """
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as failed, theirs, _held_back():
        failed.callback(ours.close)
        process = await asyncio.create_subprocess_exec(
            *command, "--child", f"{number}:{theirs.fileno()}", pass_fds=[theirs.fileno()]
        )
        failed.pop_all()
    reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
    return Child(number, process, reader, writer, patience=patience)


@contextlib.contextmanager
def _held_back() -> Generator[None]:
    """A signal to all of us would end a child in the midst of its imports, with an error; it inherits our mask."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
