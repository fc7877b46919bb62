"""Runs functions that have no name: here, now and once. Nothing of them is stored."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial

import anyio.to_thread

from afterwards.batch import LocalCall
from afterwards.cancelling import was_cancelled_from_outside
from afterwards.events import Events, LocalTaskFailed, RanLocally
from afterwards.functions import is_async


async def run_locally(call: LocalCall, events: Events) -> None:
    """Call it; what it raises is only said, so that the next one runs all the same."""
    name = getattr(call.function, "__qualname__", type(call.function).__qualname__)
    events.say(RanLocally(function=name, why=call.why))
    try:
        await call_locally(call)
    except asyncio.CancelledError as error:
        if was_cancelled_from_outside():
            raise
        events.say(LocalTaskFailed(function=name, error=error))
    except BaseException as error:  # SystemExit too
        events.say(LocalTaskFailed(function=name, error=error))


async def call_locally(call: LocalCall) -> None:
    """Call it; its error comes through."""
    bound = partial(call.function, *call.args, **call.kwargs)
    returned = bound() if is_async(call.function) else await anyio.to_thread.run_sync(bound)
    if inspect.isawaitable(returned):  # of a lambda too, which stands around a call of an `async def` function
        await returned
