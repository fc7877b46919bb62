"""When a child has worked long enough and another is to take its place. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from afterwards.chance import draw

_SPREAD = 0.1  # children that began together should not all end together


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_tasks` counts tasks that ended, `max_memory` bytes. None: no limit."""

    max_tasks: int | None = None
    max_memory: int | None = None

    def spread(self) -> Limits:
        """The same for one child: up to a tenth fewer tasks."""
        if self.max_tasks is None:
            return self
        fewer = draw() * _SPREAD * self.max_tasks
        return Limits(max_tasks=self.max_tasks - int(fewer), max_memory=self.max_memory)

    def reached(self, *, ended: int, resident: int | None) -> str | None:
        """Why it is enough, in words, or None. A child that has run nothing goes on: the next would be no smaller."""
        if self.max_tasks is not None and ended >= self.max_tasks:
            return f"it has run {ended} tasks"
        if self.max_memory is not None and ended and resident is not None and resident >= self.max_memory:
            return f"it takes {resident // 1024**2} MiB of memory"
        return None
