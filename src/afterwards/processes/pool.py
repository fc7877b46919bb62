"""The processes of one worker: as many as are needed at once, and one that is warm, up to a number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from afterwards.errors import CannotIsolate
from afterwards.processes.process import Process, start_process

_Start: TypeAlias = "asyncio.Task[Process | CannotIsolate]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """How many processes there may be, and how many tasks one may run."""

    processes: int
    tasks_each: int


class Pool:
    """`modules` says what a new process should import; nothing, when no function is isolated.

    One that is idle is kept as the start that has come to its end.
    """

    def __init__(self, modules: Callable[[], Sequence[str]], size: PoolSize) -> None:
        self._modules, self._size = modules, size
        self._free = asyncio.Semaphore(size.processes)
        self._spares: list[_Start] = []
        self._processes: set[Process] = set()
        self._starting = 0
        self._group: asyncio.TaskGroup | None = None

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Work in this group, and warm a process up if any function is isolated."""
        self._group = group
        self._keep_one_warm()

    async def end(self) -> None:
        """Nothing runs any more: all of them end."""
        starts, self._group = [*self._spares], None
        self._spares.clear()
        for start in starts:
            start.cancel()
        async with asyncio.TaskGroup() as group:
            for process in self._processes:
                group.create_task(process.end())

    @asynccontextmanager
    async def process(self) -> AsyncGenerator[Process]:
        """One for a single task, once there is one. It is gone afterwards if it is not fit for another.

        Raises CannotIsolate.
        """
        async with self._free:
            process, start = await self._take()
            self._keep_one_warm()
            try:
                yield process
            finally:
                self._give_back(process, start)

    async def _take(self) -> tuple[Process, _Start]:
        while True:
            was_there = self._spares and self._spares[-1].done()
            start = self._spares.pop() if self._spares else self._start()
            try:
                made = await asyncio.shield(start)
            except asyncio.CancelledError:
                if not start.done() or not start.cancelled():
                    self._spares.append(start)
                raise
            if isinstance(made, Process) and not made.has_ended:
                return made, start
            if isinstance(made, CannotIsolate) and not was_there:  # an old failure is no reason
                raise made

    def _give_back(self, process: Process, start: _Start) -> None:
        if process.has_ended or self._group is None:
            process.kill()
        elif process.is_worn(self._size.tasks_each):
            self._group.create_task(process.end())
        else:
            self._spares.append(start)
        self._keep_one_warm()

    def _keep_one_warm(self) -> None:
        living = self._starting + sum(not process.has_ended for process in self._processes)
        if self._group is not None and not self._spares and living < self._size.processes and self._modules():
            self._spares.append(self._start())

    def _start(self) -> _Start:
        if self._group is None:
            raise CannotIsolate("the worker is stopping")
        self._starting += 1
        return self._group.create_task(self._started(self._group))

    async def _started(self, group: asyncio.TaskGroup) -> Process | CannotIsolate:
        try:
            process = await start_process()
            self._processes.add(process)
            group.create_task(self._tend(process))
            process.begin(self._modules())
            await process.begun()
            return process
        except CannotIsolate as error:
            return error
        finally:
            self._starting -= 1

    async def _tend(self, process: Process) -> None:
        try:
            await process.tend()
        finally:
            self._processes.discard(process)
