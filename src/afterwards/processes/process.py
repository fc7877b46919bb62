"""One process in which isolated tasks run, one at a time, as its worker sees it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from afterwards.errors import CannotIsolate, OutOfMemory, ProcessDied
from afterwards.outcomes import Outcome
from afterwards.processes import records
from afterwards.processes.wire import (
    Begin,
    Cancel,
    Ended,
    Frames,
    Line,
    Ready,
    Run,
    Said,
    Told,
    Trouble,
    WantsDone,
    Where,
    frame,
    heard,
)
from afterwards.resident import resident_of
from afterwards.tasks import Progress

V = TypeVar("V")

TO_IMPORT = 60.0  # seconds that a new process gets for the imports of the user's modules
_TO_END = 2.0  # seconds for an idle one to end by itself
_LOOK = 0.05  # seconds between two looks at its memory
_LAST_WORDS = 1.0  # seconds: what a task forked may hold the socket open for ever
_TO_SAY_WHERE = 0.25
GROWTH = 64 * 1024**2  # bytes more than it began with, after which another takes its place: Python returns few
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from afterwards.isolated import main; main(int(sys.argv.pop()), parent=int(sys.argv.pop()))"
)


class Process:
    """Made by `start_process`. `tend` has to run as long as it lives."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[Outcome] | None = None
        self._where: asyncio.Future[str] | None = None
        self._context: contextvars.Context | None = None
        self._say: Callable[[Progress], None] | None = None
        self._look: asyncio.Handle | None = None
        self._too_large: OutOfMemory | None = None
        self._is_ending = False
        self._ended = asyncio.Event()
        self._begun_with: int | None = None
        self.tasks = 0
        self.wants_done = False  # what runs, or ran last, has asked a transaction of its own to settle it

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """It is gone, or will be in a moment."""
        return self._is_ending or self._ended.is_set()

    def is_worn(self, most_tasks: int) -> bool:
        """It has run as many tasks as it should, or does not give back the memory that one has taken."""
        now = resident_of(self.pid)
        has_grown = now is not None and self._begun_with is not None and now - self._begun_with > GROWTH
        return self.tasks >= most_tasks or has_grown

    async def tend(self) -> None:
        """Hear it until it has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear_all())
                code = await self._process.wait()
                await asyncio.wait([hearing], timeout=_LAST_WORDS)
                hearing.cancel()
            self._explain(code)
        finally:
            self.kill()
            self._writer.close()
            self._ended.set()

    async def begun(self) -> None:
        """Wait until it has imported what it was told to. Raises CannotIsolate."""
        try:
            async with asyncio.timeout(TO_IMPORT):
                await asyncio.shield(self._ready)
        except TimeoutError:
            self.kill()
            raise CannotIsolate(
                f"a new process has not imported the modules of the isolated functions within {TO_IMPORT:.0f} s. What "
                'starts a server, or anything that lasts, has to stand under `if __name__ == "__main__":`'
            ) from None
        except ProcessDied as error:
            raise CannotIsolate(f"while it imported the modules of the isolated functions, {error}") from None
        self._begun_with = resident_of(self.pid)

    async def run(self, run: Run, *, max_memory: int | None, say: Callable[[Progress], None]) -> Outcome:
        """The task's outcome. Raises ProcessDied, OutOfMemory, CannotIsolate.

        What is logged there meanwhile is written in the context of the caller; `say` hears how far it is.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._context, self._say, self.wants_done = contextvars.copy_context(), say, False
        self.tasks += 1
        self._watch(max_memory)
        try:
            self._send(run)
            return await asyncio.shield(self._answer)
        finally:
            self._watch(None)

    async def interrupt(self, *, cancel: bool, patience: float) -> Outcome | None:
        """End what runs; its process is gone afterwards. With `cancel`, what can be cancelled is.

        Returns the outcome, if it had one within `patience` seconds.
        """
        if cancel:
            self._send(Cancel())
        try:
            if patience and self._answer is not None:
                await asyncio.wait([self._answer], timeout=patience)
        finally:
            self.kill()
        await self._ended.wait()
        return _result(self._answer)

    async def where(self) -> str:
        """Where the code is that runs; nothing if it cannot say."""
        self._where = asyncio.get_running_loop().create_future()
        self._send(Where())
        await asyncio.wait([self._where], timeout=_TO_SAY_WHERE)
        return _result(self._where) or ""

    async def end(self) -> None:
        """Let it end by itself, and kill it if that takes long."""
        self._is_ending = True
        if not self._ready.done():
            self.kill()  # it has nothing yet to end well
        else:
            self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TO_END):
                await self._ended.wait()
        self.kill()

    def kill(self) -> None:
        """It ends at once, with whatever programs it has started."""
        if not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a dead one
                os.killpg(self.pid, signal.SIGKILL)

    def begin(self, modules: Sequence[str]) -> None:
        """Tell it what to import."""
        self._send(Begin(modules=tuple(modules), levels=records.levels()))

    def _send(self, said: Said) -> None:
        if not self.has_ended:
            self._writer.write(frame(said))

    async def _hear_all(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self._hear(await heard(self._reader))
        if not self._is_ending:
            self.kill()

    def _hear(self, said: Said) -> None:
        match said:
            case Ready():
                _settle(self._ready, None)
            case Ended(outcome=Outcome() as outcome):
                _settle(self._answer, outcome)
            case Ended():
                _fail(self._answer, ProcessDied("its run was cancelled"))
            case Trouble(text=text):
                _fail(self._answer, CannotIsolate(text))
            case WantsDone():
                self.wants_done = True
            case Told(progress=progress):
                if self._say is not None:
                    self._say(progress)
            case Frames(text=text):
                _settle(self._where, text)
            case Line():
                (self._context or contextvars.copy_context()).run(records.write, said, self.pid)
            case Begin() | Run() | Cancel() | Where():
                raise AssertionError("said by the worker only")
            case _ as never:
                assert_never(never)

    def _explain(self, code: int) -> None:
        error = self._too_large or ProcessDied(_how(code))
        _fail(self._ready, error)
        _fail(self._answer, error)

    def _watch(self, most: int | None) -> None:
        """Look at its memory again and again; None: no more."""
        if self._look is not None:
            self._look.cancel()
        self._look = None if most is None else asyncio.get_running_loop().call_soon(self._look_at_memory, most)

    def _look_at_memory(self, most: int) -> None:
        size = resident_of(self.pid)
        if size is None or size <= most:
            self._look = asyncio.get_running_loop().call_later(_LOOK, self._look_at_memory, most)
            return
        self._too_large = OutOfMemory(
            f"its process took {size / 1024**2:.0f} MiB of memory, and max_memory is {most / 1024**2:.0f} MiB"
        )
        self.kill()


async def start_process() -> Process:
    """A fresh interpreter, never a fork, in a session of its own: no signal for us reaches it.

    Raises CannotIsolate when the system has none.
    """
    if not sys.executable:
        raise CannotIsolate("this Python does not know its own program (sys.executable), so that it can start no other")
    ours, theirs = socket.socketpair()
    words = [sys.executable, "-c", _PROGRAM, str(os.getpid()), str(theirs.fileno()), json.dumps(sys.path)]
    with contextlib.ExitStack() as failed, theirs:
        failed.callback(ours.close)
        try:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )
        except OSError as error:  # no memory or no process left, for now
            raise CannotIsolate(f"no process can be started: {error}") from error
        failed.pop_all()
    reader, writer = await asyncio.open_connection(sock=ours)
    return Process(process, reader, writer)


def _settle(future: asyncio.Future[V] | None, value: V) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[V] | None, error: Exception) -> None:
    if future is not None and not future.done():
        future.set_exception(error)
        future.exception()  # it may be that nobody waits any more


def _result(future: asyncio.Future[V] | None) -> V | None:
    if future is None or not future.done() or future.cancelled() or future.exception() is not None:
        return None
    return future.result()


def _how(code: int) -> str:
    if code >= 0:
        return f"its process ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    by_the_kernel = ": by somebody, or by the kernel because memory ran out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{by_the_kernel}"
