"""Makes task ids: UUIDs of version 7, which grow, are fast to make and cannot be guessed.

The layout is that of RFC 9562, section 5.7 with the counter of section 6.2, method 1: 48 bits of milliseconds, a
12-bit counter that keeps ids of one millisecond growing, and 62 random bits. Never two equal ones in one process.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from uuid import UUID

_RANDOMNESS = struct.Struct("512Q")  # for so many ids at once
_VERSION_AND_VARIANT = (7 << 76) | (0b10 << 62)
_COUNTER_LIMIT = 1 << 12
_RANDOM_MASK = (1 << 62) - 1


class IdMaker:
    """Makes ids that grow within this process; safe from any thread, and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0
        self._randomness: Iterator[int] = iter(())

    def make(self) -> UUID:
        """The next id; larger than every one this maker made before."""
        with self._lock:
            self._advance()
            value = self._milliseconds << 80 | _VERSION_AND_VARIANT | self._counter << 64 | self._random()
        return UUID(int=value)

    def forget(self) -> None:
        """Drop the buffered randomness: a forked child must not hand out what its parent will."""
        self._lock = threading.Lock()
        self._randomness = iter(())

    def _advance(self) -> None:
        now = time.time_ns() // 1_000_000
        if now > self._milliseconds:
            self._milliseconds, self._counter = now, 0
        elif self._counter + 1 < _COUNTER_LIMIT:
            self._counter += 1
        else:  # more than 4,096 in one millisecond, or the clock stands: borrow from the next
            self._milliseconds, self._counter = self._milliseconds + 1, 0

    def _random(self) -> int:
        number = next(self._randomness, None)
        if number is None:
            self._randomness = iter(_RANDOMNESS.unpack(os.urandom(_RANDOMNESS.size)))
            number = next(self._randomness)
        return number & _RANDOM_MASK


_maker = IdMaker()
new_id = _maker.make
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_maker.forget)
