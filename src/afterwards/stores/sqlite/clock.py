"""The store's clock: the machine's, and an offset for tests, in which days pass at once."""

from __future__ import annotations

import time
from datetime import timedelta


class Clock:
    """Tells the time in microseconds since 1970. All processes of one file stand on one machine, so they agree."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> int:
        """The store's now."""
        return time.time_ns() // 1000 + self.offset // timedelta(microseconds=1)
