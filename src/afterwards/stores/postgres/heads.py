"""Where the lines began a moment ago, for a worker that claims much: it need not look for their heads each time.

What has been claimed leaves its entry in the index until vacuum comes by, and autovacuum wakes once a minute: half a
million entries, if 8,000 tasks a second run. Who looks for the head of a line passes over all of them. So while much is
claimed, the heads are looked for ten times a second, and claims begin where they were. What has come before them since
then waits for the next look, or for a claim that finds too little; so does what is in a line that is new.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from afterwards.stores.postgres.driver import Row

FRESH = 0.1  # seconds
MUCH = 1_000  # tasks that are claimed within
LATELY = 60.0  # seconds

Columns = tuple[Sequence[str], Sequence[int], Sequence[datetime], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Of each, its queue and priority, and its first task's due and sequence; in columns. None: to be found."""

    columns: Columns | None

    @property
    def values(self) -> Mapping[str, object]:
        """As a claim takes them."""
        queues, priorities, dues, sequences = self.columns or ((), (), (), ())
        return {
            "finds": self.columns is None,
            "line_queues": queues,
            "line_priorities": priorities,
            "line_dues": dues,
            "line_sequences": sequences,
        }


TO_BE_FOUND = Lines(None)


class Heads:
    """What one store remembers of its lines, in the thread of its connections."""

    def __init__(self) -> None:
        self.lines = TO_BE_FOUND
        self._fresh_until = self._worth_until = self._counted_since = 0.0
        self._claimed = 0

    @property
    def are_fresh(self) -> bool:
        """Claims may begin there."""
        return time.monotonic() < self._fresh_until

    @property
    def are_worth_a_look(self) -> bool:
        """So much was claimed lately that there may be many dead entries."""
        return time.monotonic() < self._worth_until

    def found(self, rows: Sequence[Row]) -> None:
        """These are they now."""
        columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), ())
        self.lines = Lines(cast("Columns", columns))
        self._fresh_until = time.monotonic() + FRESH

    def count(self, claimed: int) -> None:
        """So many more were claimed."""
        now = time.monotonic()
        if now > self._counted_since + LATELY:
            self._counted_since, self._claimed = now, 0
        self._claimed += claimed
        if self._claimed >= MUCH:
            self._worth_until = now + LATELY
