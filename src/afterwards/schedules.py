"""Schedules: cron lines and intervals, when they tick, and what became of the ticks that nobody made. Pure values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from afterwards.tasks import Call

SHORTEST = timedelta(seconds=1)
ON_TIME = timedelta(seconds=10)  # a tick no older than that has not been missed: somebody is just about to make it
MOST_CAUGHT_UP = 100
SPANS = [timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366), timedelta(days=366 * 8)]

_FIELDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron line in a time zone, as Debian's cron reads it. Raises ValueError in words.

    Where the clocks change, lines for a fixed hour tick once: what falls into the hour that is left out comes right
    after it, what falls into the hour that comes twice ticks in the first. Lines that begin with a star in their minute
    or hour go by the time that passes.
    """

    line: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if len(self.line.split()) != _FIELDS:
            raise ValueError(
                f"a cron line has five fields (minute, hour, day of the month, month, day of the week), not "
                f"{len(self.line.split())}: {self.line!r}"
            )
        try:
            next(self.after(datetime(2024, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise ValueError(f"no cron line: {self.line!r} ({error})") from None
        except StopIteration:
            raise ValueError(f"the cron line {self.line!r} never ticks: there is no such day") from None

    def __str__(self) -> str:
        return f"{' '.join(self.line.split())} {self.zone.key}"

    def after(self, instant: datetime) -> Iterator[datetime]:
        """All ticks later than that, in their order, in UTC."""
        for tick in CronSim(self.line, instant.astimezone(self.zone)):
            if tick.astimezone(UTC) > instant:  # not so in the second of two hours of one name
                yield tick.astimezone(UTC)

    def missed(self, last: datetime, now: datetime, *, most: int) -> list[datetime]:
        """The ticks after `last` and until `now`, the latest `most` of them. It looks back only as far as it must."""
        for span in SPANS:
            if now - span <= last:
                break
            ticks = self._between(now - span, now)
            if len(ticks) >= most:
                return ticks[-most:]
        return self._between(max(last, now - SPANS[-1]), now)[-most:]

    def _between(self, last: datetime, now: datetime) -> list[datetime]:
        return list(takewhile(lambda tick: tick <= now, self.after(last)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A tick each time that so much has passed since the last one. Raises ValueError for less than a second."""

    step: timedelta

    def __post_init__(self) -> None:
        if self.step < SHORTEST:
            raise ValueError(f"a schedule cannot tick more often than once a second: {self.step!r}")

    def __str__(self) -> str:
        return f"every {self.step.total_seconds():.6f}".rstrip("0").rstrip(".") + " s"

    def after(self, instant: datetime) -> Iterator[datetime]:
        """All ticks later than that, in their order."""
        while instant <= _END - self.step:
            instant += self.step
            yield instant

    def missed(self, last: datetime, now: datetime, *, most: int) -> list[datetime]:
        """The ticks after `last` and until `now`, the latest `most` of them."""
        count = max((now - last) // self.step, 0)
        return [last + number * self.step for number in range(max(count - most, 0) + 1, count + 1)]


_END = datetime.max.replace(tzinfo=UTC)

When = Cron | Interval


def when(cron: object, *, tz: object, interval: timedelta | None) -> When:
    """What `every(...)` was told. Raises ValueError in words."""
    if interval is not None:
        if cron is not None or tz is not None:
            raise ValueError("a schedule has a cron line, with its time zone, or an interval: give one of them")
        return Interval(step=interval)
    if not isinstance(cron, str):
        raise ValueError(f"every() takes a cron line such as '*/5 * * * *', a timedelta, or minutes=5; not {cron!r}")
    return Cron(line=cron, zone=_zone("UTC" if tz is None else tz))


def _zone(tz: object) -> ZoneInfo:
    if isinstance(tz, ZoneInfo):
        return tz
    if not isinstance(tz, str):
        raise ValueError(f"tz takes the name of a time zone, such as 'Europe/Berlin', not {tz!r}")
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"no time zone {tz!r} is known here; they are named as 'Europe/Berlin', and a system that has none gets "
            "them by: pip install tzdata"
        ) from None


def ticks_to_make(when: When, *, last: datetime, now: datetime, catch_up: bool) -> list[datetime]:
    """The ticks that are to be made now, given the last one that was.

    Those that are on time; of those that were missed all, at most a hundred in all, if they are to be caught up, and
    otherwise the latest, if none is on time.
    """
    ticks = when.missed(last, now, most=MOST_CAUGHT_UP)
    return ticks if catch_up else [tick for tick in ticks if tick >= now - ON_TIME] or ticks[-1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule as this code has it. `line` says when, in words that change when that does."""

    name: str
    function: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as the store has it. Instants are aware and in UTC.

    `last` is its last tick, or the moment from which it counts if there was none; `seen`, when a worker that knows it
    last said so; `asked`, that somebody wants it to run now. For people who list schedules, `next` is the tick that
    comes, and `unknown` says that no worker has spoken of it for two minutes.
    """

    name: str
    function: str
    line: str
    last: datetime
    seen: datetime
    paused: bool = False
    asked: bool = False
    next: datetime | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """All schedules, by name, at one moment of the store's clock."""

    now: datetime
    schedules: tuple[Schedule, ...]

    def find(self, name: str) -> Schedule | None:
        """The one of this name."""
        return next((schedule for schedule in self.schedules if schedule.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Ticks that are made in one write: from the last one, `after`, to a new one, `to`, with a call for each.

    `by_hand`: somebody asked for it; then `after` and `to` are not looked at.
    """

    schedule: str
    line: str
    after: datetime
    to: datetime
    calls: tuple[Call, ...]
    by_hand: bool = False


class Steer(StrEnum):
    """What people do to a schedule."""

    PAUSE = "pause"
    RESUME = "resume"
    RUN = "run"
    FORGET = "forget"


UNKNOWN_AFTER = timedelta(minutes=2)


def shown(agenda: Agenda) -> list[Schedule]:
    """The schedules for people: with the next tick of each, unless it is paused, and whether anybody knows it."""
    return [
        replace(
            schedule,
            next=None if schedule.paused else _next(schedule, agenda.now),
            unknown=agenda.now - schedule.seen > UNKNOWN_AFTER,
        )
        for schedule in agenda.schedules
    ]


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    """None for a line that only a newer version knows."""
    words = schedule.line.split()
    try:
        if words[0] == "every":
            step = timedelta(seconds=float(words[1]))
            return schedule.last + (max((now - schedule.last) // step, 0) + 1) * step
        zone = ZoneInfo(words[-1])
        return next(Cron(line=" ".join(words[:-1]), zone=zone).after(max(now, schedule.last)))
    except (ValueError, ArithmeticError, IndexError, ZoneInfoNotFoundError, StopIteration):
        return None
