"""The schedules of this code, and what makes their ticks. Which instants those are is decided in schedules.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from afterwards.events import Events, LoopFailed
from afterwards.options import CallOptions
from afterwards.partials import Callee
from afterwards.registry import Registry
from afterwards.schedules import Agenda, Plan, Schedule, Tick, When, ticks_to_make
from afterwards.store import Store
from afterwards.tasks import Call

SPEAK_EVERY = 20.0  # seconds: well within the minute after which others may take a schedule over


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a decorator says: call `function` with `kwargs`, `when` it ticks."""

    name: str
    function: Callee
    function_name: str
    when: When
    catch_up: bool
    kwargs: Mapping[str, object]
    options: CallOptions

    @property
    def plan(self) -> Plan:
        """As the store is told."""
        return Plan(name=self.name, function=self.function_name, line=str(self.when))


class Timetable:
    """The schedules of one `Afterwards`, by name."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def note(self, entry: Entry) -> None:
        """Keep what a decorator says. Raises ValueError for a name that another schedule has."""
        other = self.entries.get(entry.name, entry)
        if other.plan != entry.plan or dict(other.kwargs) != dict(entry.kwargs):
            raise ValueError(
                f"two schedules are named {entry.name!r}: {other.plan.line}, and {entry.plan.line}. Give one another "
                "name=."
            )
        self.entries[entry.name] = entry


class Ticker:
    """One worker's part in it: every worker makes the same ticks, and the store lets each be made once."""

    def __init__(self, store: Store, timetable: Timetable, registry: Registry, events: Events) -> None:
        self._store, self._timetable, self._registry, self._events = store, timetable, registry, events
        self._spoke: float | None = None
        self._failed: set[str] = set()

    async def round(self) -> None:
        """Speak of the schedules now and then, and make every tick that is due."""
        if not self._timetable.entries:
            return
        await self._speak()
        agenda = await self._store.agenda()
        ticks = [tick for schedule in agenda.schedules for tick in self._ticks(schedule, agenda)]
        if ticks:
            await self._store.tick(ticks)

    async def _speak(self) -> None:
        now = time.monotonic()
        if self._spoke is None or now - self._spoke >= SPEAK_EVERY:
            plans = [entry.plan for entry in self._timetable.entries.values()]
            await self._store.plan(plans, starting=self._spoke is None)
            self._spoke = now

    def _ticks(self, schedule: Schedule, agenda: Agenda) -> list[Tick]:
        """What is to be made of one schedule; nothing of one that this code does not have, or has otherwise."""
        entry = self._timetable.entries.get(schedule.name)
        if entry is None or str(entry.when) != schedule.line:
            return []
        try:
            return [*self._by_time(entry, schedule, agenda.now), *self._by_hand(entry, schedule)]
        except Exception as error:  # such as a call that cannot be made: the other schedules go on
            if schedule.name not in self._failed:
                self._failed.add(schedule.name)
                self._events.say(LoopFailed(loop=f"schedule {schedule.name}", error=error))
            return []

    def _by_time(self, entry: Entry, schedule: Schedule, now: datetime) -> list[Tick]:
        if schedule.paused:
            return []
        instants = ticks_to_make(entry.when, last=schedule.last, now=now, catch_up=entry.catch_up)
        if not instants:
            return []
        calls = tuple(self._call(entry, instant) for instant in instants)
        return [_tick(schedule, to=instants[-1], calls=calls)]

    def _by_hand(self, entry: Entry, schedule: Schedule) -> list[Tick]:
        if not schedule.asked:
            return []
        return [_tick(schedule, to=schedule.last, calls=(self._call(entry, None),), by_hand=True)]

    def _call(self, entry: Entry, due: datetime | None) -> Call:
        return self._registry.call(entry.function, (), entry.kwargs, replace(entry.options, due=due))


def _tick(schedule: Schedule, *, to: datetime, calls: tuple[Call, ...], by_hand: bool = False) -> Tick:
    return Tick(schedule=schedule.name, line=schedule.line, after=schedule.last, to=to, calls=calls, by_hand=by_hand)
