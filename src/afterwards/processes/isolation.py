"""Runs one isolated task: finds a process for it, and kills that when the task is to stop. Touches no store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from afterwards import outcomes
from afterwards.current import enter, leave
from afterwards.errors import StoreUnavailable, TimedOut
from afterwards.functions import Function
from afterwards.names import module_of
from afterwards.outcomes import Ending, Outcome
from afterwards.processes.pool import Pool
from afterwards.processes.process import Process
from afterwards.processes.wire import Run
from afterwards.registry import Registry
from afterwards.tasks import Claim, Progress, Task
from afterwards.timeouts import UNLIMITED, Limit

CLEAN_UP = 1.0  # seconds that an `async def` function gets to clean up, before it is killed


class Isolation:
    """`is_settled` asks whether a run is done by a transaction of its own."""

    def __init__(
        self, registry: Registry, pool: Pool, url: str, is_settled: Callable[[Claim], Awaitable[bool]]
    ) -> None:
        self._registry, self._pool, self._url, self._is_settled = registry, pool, url, is_settled

    def takes(self, task: Task) -> bool:
        """Whether its function is isolated."""
        return self._registry.isolates(task.name)

    async def run(self, task: Task, say: Callable[[Progress], None]) -> Outcome:
        """Run it to its end; `say` hears how far it is.

        Raises TimedOut, OutOfMemory, ProcessDied, CannotIsolate, UnknownFunction.
        """
        function = self._registry.find(task.name)
        timeout = task.timeout or function.options.timeout
        limit = UNLIMITED if timeout is None else Limit(timeout, is_in_thread=lambda: False, overran=lambda: None)
        token = enter(task, None)
        try:
            return await self._limited(task, function, limit, say)
        finally:
            leave(token)

    async def _limited(self, task: Task, function: Function, limit: Limit, say: Callable[[Progress], None]) -> Outcome:
        """The wait for a process does not count."""
        async with self._pool.process() as process:
            began, where = time.monotonic(), ""
            limit.go_on()
            try:
                outcome = await self._outcome(process, task, function, say)
                limit.end(None)
                return outcome
            except asyncio.CancelledError as cancelled:
                last, where = await _interrupted(process, function, is_late=limit.expired)
                raised = limit.end(cancelled)
                if last is not None and _tells_itself(last, raised):
                    return last
            except Exception as error:
                raised = limit.end(error)
            if process.wants_done and await self._is_done(task):
                return outcomes.done(task.claim, took=timedelta(seconds=time.monotonic() - began), settled=True)
            assert raised is not None
            if where:
                raised.add_note(where)
            raise raised from None

    async def _outcome(
        self, process: Process, task: Task, function: Function, say: Callable[[Progress], None]
    ) -> Outcome:
        """The policy and the timeout are those that hold here."""
        timeout = task.timeout or function.options.timeout
        task = replace(task, retry=self._registry.retry_for(task), timeout=timeout)
        run = Run(task=task, module=module_of(function.function), url=self._url)
        return await process.run(run, max_memory=function.options.max_memory, say=say)

    async def _is_done(self, task: Task) -> bool:
        """A store that is away cannot say; then the worker's own settling will be refused."""
        try:
            return await self._is_settled(task.claim)
        except StoreUnavailable:
            return False


async def _interrupted(process: Process, function: Function, *, is_late: bool) -> tuple[Outcome | None, str]:
    """The outcome that it still had, and where it was. At its timeout an `async def` cancels itself."""
    if function.is_async:
        return await process.interrupt(cancel=not is_late, patience=CLEAN_UP), ""
    where = await process.where() if is_late else ""
    return await process.interrupt(cancel=False, patience=0.0), where


def _tells_itself(outcome: Outcome, raised: BaseException | None) -> bool:
    """After its timeout only what says itself how that is to count is heard."""
    return isinstance(raised, TimedOut) and outcome.ending is not Ending.DONE
