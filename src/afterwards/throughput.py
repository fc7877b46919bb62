"""How many tasks ended lately, by queue, and how that is said. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LATELY = timedelta(minutes=5)
AMONG = 2_000  # tasks that ended last: where more did, the time is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What is asked: of which time, and among how many of the tasks that ended last."""

    within: timedelta
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How many tasks of each queue were done or failed after `since` and until `now`, by the store's clock.

    None of them is missing that is still kept.
    """

    since: datetime
    now: datetime
    by_queue: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def length(self) -> timedelta:
        """Of the time."""
        return max(self.now - self.since, timedelta(microseconds=1))

    def of(self, queue: str) -> int:
        """How many of this queue."""
        return self.by_queue.get(queue, 0)


def pace(count: int, length: timedelta) -> str:
    """So many in that time: `3.4 a second`, `24 a minute`; `0` for none."""
    per_second = count * (timedelta(seconds=1) / length)
    many, unit = (per_second, "second") if per_second >= 1 else (per_second * 60, "minute")
    return f"{many:,.0f} a {unit}" if many >= 10 else f"{many:.2g} a {unit}" if many else "0"
