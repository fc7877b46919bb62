"""Calls what an app wants to be called when a task has failed for good. Decides nothing; whatever it raises is said."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

import anyio
import anyio.to_thread

from afterwards.cancelling import was_cancelled_from_outside
from afterwards.events import Events, HookFailed
from afterwards.tasks import Failure, State, Task

LONGEST = 30.0  # seconds that one hook may take

FailureHook: TypeAlias = Callable[[Task, Failure], object]


class FailureHooks:
    """What is to be called, in the order in which it was added; plain functions in a thread each."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._hooks: list[FailureHook] = []

    def add(self, hook: FailureHook) -> None:
        """Call this one too. Raises ValueError for what cannot be called."""
        if not callable(hook):
            raise ValueError(f"on_failure takes a function of the task and its error, not {hook!r}")
        self._hooks.append(hook)

    async def tell(self, task: Task, failure: Failure | None) -> None:
        """The task has failed for good. Cut short when the surrounding asyncio task is cancelled; never raises."""
        error = failure or Failure(kind="", message="")
        failed = replace(task, state=State.FAILED, error=error)
        with suppress(asyncio.CancelledError):
            for hook in self._hooks:
                await self._call(hook, failed, error)

    async def _call(self, hook: FailureHook, task: Task, error: Failure) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await _called(hook, task, error)
        except BaseException as raised:  # SystemExit too: a hook must not end the worker
            self._events.say(HookFailed(task=task, hook=getattr(hook, "__qualname__", repr(hook)), error=raised))
            if isinstance(raised, asyncio.CancelledError) and was_cancelled_from_outside():
                raise


async def _called(hook: FailureHook, task: Task, error: Failure) -> None:
    if inspect.iscoroutinefunction(hook):
        await hook(task, error)
        return
    returned = await anyio.to_thread.run_sync(
        _in_thread, hook, task, error, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
    )
    if isinstance(returned, BaseException):
        raise returned
    if inspect.isawaitable(returned):
        await returned


def _in_thread(hook: FailureHook, task: Task, error: Failure) -> object:
    """What it raised comes back as a value: no thread takes a SystemExit, and no future a StopIteration."""
    try:
        return hook(task, error)
    except BaseException as raised:
        return raised
