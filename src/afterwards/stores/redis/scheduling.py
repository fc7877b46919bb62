"""What ticks by itself: planned, ticked, and steered by people. A tick and its calls are one script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from afterwards import stored
from afterwards.schedules import Agenda, Plan, Schedule, Steer, Tick
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.tasks import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What a worker knows."""

    plans: tuple[Plan, ...]
    starting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What a person wants."""

    name: str
    how: Steer


def agenda(_: None) -> Talk[Agenda]:
    """All of them."""
    now, told = cast("tuple[bytes, list[bytes]]", (yield Ask("agenda")))
    schedules = [_schedule(name, parts) for name, parts in zip(told[::2], told[1::2], strict=True)]
    in_order = sorted(schedules, key=lambda schedule: schedule.name)
    return Agenda(now=stored.instant(int(now)), schedules=tuple(in_order))


def plan(planning: Planning) -> Talk[None]:
    """Make them known."""
    plans = [part for one in planning.plans for part in (one.name, one.function, one.line)]
    yield Ask("plan", [int(planning.starting), *plans])


def tick(ticks: Sequence[Tick]) -> Talk[list[TaskId]]:
    """Those that nobody has made yet, each by a script of its own."""
    made: list[TaskId] = []
    for one in ticks:
        if (yield Ask("tick", _tick_arguments(one))):
            made += [call.id for call in one.calls]
    return made


def steer(steering: Steering) -> Talk[bool]:
    """As a person wants; whether there is such a schedule."""
    return bool((yield Ask("steer", [steering.name, steering.how.value])))


def _tick_arguments(tick: Tick) -> list[Argument]:
    after, to = stored.microseconds_at(tick.after), stored.microseconds_at(tick.to)
    calls = [argument for call in tick.calls for argument in rows.call_arguments(call, None)]
    return [tick.schedule, tick.line, after, to, int(tick.by_hand), *calls]


def _schedule(name: bytes, parts: bytes) -> Schedule:
    function, line, last, seen, paused, asked = parts.decode().split("\0")[:6]
    return Schedule(
        name=name.decode(),
        function=function,
        line=line,
        last=stored.instant(int(last)),
        seen=stored.instant(int(seen)),
        paused=paused == "1",
        asked=asked == "1",
    )
