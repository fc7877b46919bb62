"""The store's clock is the server's; here only the offset, by which days pass at once in tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(slots=True)
class Clock:
    """How far the store's clock is ahead of the server's."""

    offset: timedelta = timedelta(0)

    @property
    def microseconds(self) -> int:
        """The offset as scripts take it."""
        return self.offset // timedelta(microseconds=1)
