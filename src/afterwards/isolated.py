"""The program of a process in which isolated tasks run, one at a time. Its worker starts it, and may kill it.

It claims and settles nothing: it tells its worker how the task ended. When the worker goes, it goes too.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import FrameType

from afterwards.batch import LocalCall
from afterwards.done_in import InOwnTransaction
from afterwards.errors import CannotIsolate, StoreUnavailable, StoreUnusable
from afterwards.events import Events, FailedAfterDone, LocalTaskFailed, RanLocally
from afterwards.house import House, houses
from afterwards.logs import write_logs
from afterwards.notes import Notes
from afterwards.outcomes import Outcome
from afterwards.processes.records import Relay, relay_all
from afterwards.processes.wire import (
    LENGTH_BYTES,
    Begin,
    Cancel,
    Ended,
    Frames,
    Ready,
    Run,
    Said,
    Told,
    Trouble,
    WantsDone,
    Where,
    frame,
    length_of,
    said_in,
)
from afterwards.runner import Runner
from afterwards.stores import is_lasting
from afterwards.tasks import Call, Claim, Progress, TaskId
from afterwards.threads import PLACE
from afterwards.transactions import Transaction

_PR_SET_PDEATHSIG = 1
_TO_END = 2.0
_TELL_EVERY = 0.25  # seconds


def main(descriptor: int, *, parent: int) -> None:
    """Until the worker has gone, or wants no more."""
    _die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)  # the worker alone decides
    sys.argv = ["afterwards-isolated"]
    reconfigure: Callable[..., None] | None = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # it has none where the output of the worker is closed
        reconfigure(line_buffering=True)  # so that a kill loses no line
    asyncio.run(Inside(socket.socket(fileno=descriptor)).work())


class Inside:
    """Listens in a thread of its own, so that a task which blocks all else does not outlive its worker."""

    def __init__(self, link: socket.socket) -> None:
        link.set_inheritable(False)  # a program that a task starts must not keep it open
        self._link = link
        self._speaking = threading.Lock()
        self._relay, self._levels = Relay(self.say), dict[str, int]()
        self._runners: dict[House, Runner] = {}
        self._notes = Notes()
        self._wanted: asyncio.Queue[Run | None] = asyncio.Queue()
        self._run: asyncio.Task[Outcome] | None = None
        self._is_running = False

    async def work(self) -> None:
        """Run one task after another."""
        self._begin()
        for house in houses():  # before a task comes, whose timeout would count
            if house.registry.isolated_modules():
                await self._runner_of(house)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), name="afterwards-isolated", daemon=True).start()
        threading.Thread(target=self._tell, name="afterwards-progress", daemon=True).start()
        self.say(Ready())
        while (run := await self._wanted.get()) is not None:
            said = await self._said_of(run)
            self._is_running = False
            self.say(said)

    def _begin(self) -> None:
        """Import what will be needed; what cannot be imported is told when a task needs it.

        While an event loop runs, as uvicorn does it: so that a script without a guard, which would start workers here,
        is refused by Python itself.
        """
        begin = self._next()
        assert isinstance(begin, Begin)
        self._levels = begin.levels
        relay_all(self._relay, self._levels)
        for module in begin.modules:
            with contextlib.suppress(CannotIsolate):
                self._import(module)

    def say(self, said: Said) -> None:
        """To the worker; from any thread."""
        with self._speaking, contextlib.suppress(OSError):
            self._link.sendall(frame(said))

    async def _said_of(self, run: Run) -> Said:
        try:
            runner = await self._runner(run)
        except CannotIsolate as error:
            return Trouble(text=str(error))
        self._notes.begin(run.task)
        async with asyncio.TaskGroup() as group:
            self._run = group.create_task(runner.run(run.task, overran=lambda outcome: None))
            await asyncio.wait([self._run])
        progress = self._notes.progress(run.task)
        self._notes.end(run.task)
        return Ended(outcome=None if self._run.cancelled() else replace(self._run.result(), progress=progress))

    async def _runner(self, run: Run) -> Runner:
        self._import(run.module)
        return await self._runner_of(_house_of(run))

    async def _runner_of(self, house: House) -> Runner:
        if house not in self._runners:
            self._runners[house] = await _new_runner(house, self._notes, lambda: self.say(WantsDone()))
        return self._runners[house]

    def _import(self, module: str) -> None:
        if module not in sys.modules:
            _imported(module)
            relay_all(self._relay, self._levels)  # it may have said otherwise

    # In threads of their own

    def _tell(self) -> None:
        """How far the task is, also while it blocks all else."""
        while True:
            for note in self._notes.take():
                self.say(Told(progress=note.progress))
            time.sleep(_TELL_EVERY)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while (said := self._next()) is not None:
            match said:
                case Run():
                    self._is_running = True
                    loop.call_soon_threadsafe(self._wanted.put_nowait, said)
                case Cancel():
                    loop.call_soon_threadsafe(self._cancel)
                case Where():
                    self.say(Frames(text=_frames()))
                case _:
                    raise AssertionError("said by processes only")
        if not self._is_running:
            with contextlib.suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(self._wanted.put_nowait, None)
            threading.Event().wait(_TO_END)
        _end()

    def _cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()

    def _next(self) -> Said | None:
        """None when the worker has gone, or wants no more."""
        try:
            head = _exactly(self._link, LENGTH_BYTES)
            return said_in(_exactly(self._link, length_of(head)))
        except (OSError, EOFError):
            return None


class _Telling:
    """Settles in transactions as the house does, and tells the worker before, who has to ask then what came of it."""

    def __init__(self, joining: InOwnTransaction, tell: Callable[[], None]) -> None:
        self._joining, self._tell = joining, tell

    async def settle(
        self, claim: Claim, transaction: Transaction, *, took: timedelta, progress: Progress | None
    ) -> None:
        self._tell()
        await self._joining.settle(claim, transaction, took=took, progress=progress)

    def settle_sync(
        self, claim: Claim, transaction: Transaction, *, took: timedelta, progress: Progress | None
    ) -> None:
        self._tell()
        self._joining.settle_sync(claim, transaction, took=took, progress=progress)

    async def join_awaited(self, call: Call, transaction: Transaction) -> None:
        await self._joining.join_awaited(call, transaction)

    def join(self, call: Call, transaction: Transaction) -> None:
        self._joining.join(call, transaction)

    async def is_settled(self, claim: Claim) -> bool:
        return await self._joining.is_settled(claim)


class _Nobody:
    """Takes no calls: a private store is the worker's alone."""

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        self._refuse()

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None:
        self._refuse()

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None:
        """Nothing was taken."""

    def _refuse(self) -> None:
        raise StoreUnusable(
            "an isolated task runs in a process of its own, and this store is private to its worker's: give the "
            "Afterwards a URL with a path, or let the task take a BackgroundTasks parameter and add to that"
        )


async def _new_runner(house: House, notes: Notes, wants_done: Callable[[], None]) -> Runner:
    house.settings = replace(house.settings, worker=False)
    if not is_lasting(house.settings.url):
        house.take_by(_Nobody())
    else:
        with contextlib.suppress(StoreUnavailable):  # said when it is needed
            await house.store.open()  # before a transaction of the task's own holds what that would wait for
    events = Events()  # the others are the worker's to say
    events.hear(write_logs, FailedAfterDone, RanLocally, LocalTaskFailed)
    return house.new_runner(events, _Telling(house.joining, wants_done), notes=notes)


def _house_of(run: Run) -> House:
    """Of those whose decorator isolates the function, the one on the same store."""
    found = [house for house in houses() if house.registry.isolates(run.task.name)]
    if not found:
        raise CannotIsolate(
            f"{run.task.name} is isolated by nobody in a new process that has imported {run.module}: the decorator "
            "has to be run by importing the module in which the function stands"
        )
    return next((house for house in found if house.settings.url == run.url), found[0])


def _imported(module: str) -> None:
    """Raises CannotIsolate."""
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script without a guard may exit
        raise CannotIsolate(
            f"importing {module} failed in a new process: {type(error).__name__}: {error}. What starts a server, or a "
            f'worker, has to stand under `if __name__ == "__main__":`\n{traceback.format_exc()}'
        ) from error


def _die_with(parent: int) -> None:
    """The kernel ends this process with its worker, also where no code of ours can run; Linux only."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _end() -> None:
    """At once, with the programs that were started here: they are in our group, unless they have left it."""
    os.killpg(0, signal.SIGKILL)


def _exactly(link: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = link.recv(count - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _frames() -> str:
    """The stacks of the threads in which functions run."""
    threads = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  # documented, if underscored
    return "\n".join(
        f"It was here, in {threads[ident]}:\n{''.join(_below_us(frame))}".rstrip()
        for ident, frame in stacks.items()
        if "AnyIO" in threads.get(ident, "")
    )


def _below_us(frame: FrameType) -> list[str]:
    """Only the frames of the function itself, and what it calls."""
    stack = traceback.extract_stack(frame)
    ours = [index for index, each in enumerate(stack) if each.filename == PLACE]
    return traceback.format_list(stack[ours[-1] + 1 :] if ours else stack)
