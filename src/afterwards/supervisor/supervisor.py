"""The loop of the supervisor: fill every place, replace what should be replaced, stop all together."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from afterwards.supervisor.child import Child
from afterwards.supervisor.health import Health
from afterwards.supervisor.lines import Lines
from afterwards.supervisor.place import Place
from afterwards.supervisor.probes import answering
from afterwards.supervisor.reload import CannotWatch, changes
from afterwards.supervisor.working import ONE_WISH

CANNOT_START = 1
_HEEDED = [
    number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")
]  # as far as it has them


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a supervisor is to do. `command` starts a child, once it is told its number and its socket."""

    command: Sequence[str]
    processes: int
    health: tuple[str, int] | None
    reload: bool


class Supervisor:
    """Runs a `Plan`. One for each process, whose signals it takes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lines = Lines()
        self._places = [
            Place(number, plan.command, self._lines, came_up=self._came_up, hopeless=self._give_up)
            for number in range(1, plan.processes + 1)
        ]
        self._stopping = asyncio.Event()
        self._stopped_at: float | None = None
        self._has_come_up = False
        self._code = 0

    async def run(self) -> int:
        """Until a signal; the exit code. Raises CannotListen."""
        self._heed_signals(asyncio.get_running_loop())
        with contextlib.ExitStack() as stack:
            address = self._plan.health
            port = None if address is None else stack.enter_context(answering(address, self.health))
            self._lines.starts(self._plan.processes, port)
            await self._fill_places()
        for each in _HEEDED:  # one more, while the interpreter ends, would spoil the exit code
            signal.signal(each, signal.SIG_IGN)
        if self._code == 0 and not all(place.all_well for place in self._places):
            return 1
        return self._code

    def health(self) -> Health:
        """How all of it is. Asked from any thread."""
        return Health(processes=[place.seen() for place in self._places], stopping=self._stopping.is_set())

    async def _fill_places(self) -> None:
        async with asyncio.TaskGroup() as group:
            for place in self._places:
                group.create_task(place.keep())
            watching = [group.create_task(self._reload())] if self._plan.reload else []
            await self._stopping.wait()
            for each in watching:
                each.cancel()

    async def _reload(self) -> None:
        try:
            async for files in changes(Path.cwd()):
                self._lines.changed(files)
                self._replace_all("its code has changed")
        except CannotWatch as error:
            self._code = CANNOT_START
            self._lines.cannot_watch(error)
            self._stop()

    def _heed_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not by the loop's own way, which gives the signals back to the system when the loop is closed."""

        def heard(number: int, frame: object) -> None:
            loop.call_soon_threadsafe(self._heard, signal.Signals(number))

        for each in _HEEDED:
            signal.signal(each, heard)

    def _heard(self, number: signal.Signals) -> None:
        if number.name == "SIGHUP":
            self._replace_all("SIGHUP asks for it")
        else:
            self._told_to_stop(number)

    def _told_to_stop(self, number: signal.Signals) -> None:
        """The first time gracefully. One a moment later comes of the same wish: from the terminal and from a parent."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            self._lines.stops()
            self._stop()
        elif time.monotonic() - self._stopped_at >= ONE_WISH:
            self._code = 128 + number
            self._lines.kills()
            for place in self._places:
                place.kill()

    def _replace_all(self, why: str) -> None:
        if not self._stopping.is_set():
            for place in self._places:
                place.replace(why)

    def _stop(self) -> None:
        self._stopping.set()
        for place in self._places:
            place.stop()

    def _came_up(self) -> None:
        self._has_come_up = True

    def _give_up(self, child: Child) -> None:
        """Children fail one after another: the end, unless some have worked before, or an edit may cure it."""
        if self._has_come_up or self._plan.reload or self._stopping.is_set():
            return
        self._code = child.code if child.code is not None and child.code > 0 else CANNOT_START
        self._lines.gives_up()
        self._stop()
