"""What a person says about schedules: `every(...)` on a function, and list, pause, resume, run, forget."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from afterwards import checks
from afterwards.house import House
from afterwards.options import CallOptions
from afterwards.retries import Retry
from afterwards.schedules import Schedule, Steer, shown, when
from afterwards.timetable import Entry

F = TypeVar("F", bound=Callable[..., Any])


class Schedules:
    """`afterwards.schedules`: the schedules that the store knows, of all apps that use it."""

    def __init__(self, house: House) -> None:
        self._house = house

    def every(
        self,
        cron: str | timedelta | None = None,
        *,
        tz: str | None = None,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        name: str | None = None,
        catch_up: bool = False,
        arguments: Mapping[str, object] | None = None,
        queue: str | None = None,
        priority: int | None = None,
        retry: Retry | None = None,
    ) -> Callable[[F], F]:
        """Add the decorated function as a task at every tick, once, however many workers there are.

        `cron` is a cron line of five fields, read in the time zone `tz` (UTC if not given), or a timedelta; or the
        interval is given by `weeks` to `seconds`. `name` is that of the schedule, by default the function's: a second
        one on the same function needs it. Of ticks that were missed the latest is made, or with `catch_up` the latest
        hundred. `arguments` go to the function by name; `queue`, `priority` and `retry` are as in `using`.

        Raises ValueError for nonsense, TypeError for arguments that the function does not take, CannotName.

        Example:
            `@afterwards.every("30 2 * * *", tz="Europe/Berlin")`
        """
        interval = _interval(cron, weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        moments = when(None if isinstance(cron, timedelta) else cron, tz=tz, interval=interval)
        options = CallOptions(queue=queue, priority=priority, retry=retry)
        catches_up = checks.yes_or_no(catch_up, "catch_up")
        kwargs = dict(arguments or {})

        def note(function: F) -> F:
            inspect.signature(function).bind_partial(**kwargs)
            known_as = self._house.registry.name_noted(function)
            entry = Entry(
                name=known_as if name is None else checks.name(name),
                function=function,
                function_name=known_as,
                when=moments,
                catch_up=catches_up,
                kwargs=kwargs,
                options=options,
            )
            self._house.timetable.note(entry)
            return function

        return note

    async def list(self) -> tuple[Schedule, ...]:
        """All of them, by name, with the next tick of each."""
        return tuple(shown(await self._house.store.agenda()))

    async def pause(self, name: str) -> bool:
        """It ticks no more, until `resume`; whether there is one of this name."""
        return await self._house.store.steer(name, Steer.PAUSE)

    async def resume(self, name: str) -> bool:
        """It ticks again, from now on: what fell into the pause was not missed."""
        return await self._house.store.steer(name, Steer.RESUME)

    async def run(self, name: str) -> bool:
        """Add its task once, now, also if it is paused; a worker that knows it does so within some two seconds."""
        return await self._house.store.steer(name, Steer.RUN)

    async def forget(self, name: str) -> bool:
        """Delete one whose code is gone; a worker that still knows it brings it back."""
        return await self._house.store.steer(name, Steer.FORGET)


def _interval(cron: object, **parts: float) -> timedelta | None:
    """None where there is a cron line, or nothing. Raises ValueError."""
    given = {part: value for part, value in parts.items() if value}
    if isinstance(cron, timedelta):
        if given:
            raise ValueError(f"every() has an interval already, {cron!r}: leave out {', '.join(given)}")
        return cron
    if not given:
        return None
    try:
        return timedelta(**given)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"every() takes numbers of {', '.join(given)}: {error}") from None
