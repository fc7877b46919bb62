"""Notices that the wall clock jumped: a laptop or virtual machine has slept, or somebody has set the clock."""

from __future__ import annotations

import time

_JUMP = 2.0  # seconds by which the two clocks may move apart between two looks


class Clocks:
    """Compares the wall clock, by which leases end, with the one that never jumps."""

    def __init__(self) -> None:
        self._ahead = _ahead()

    def jumped(self) -> bool:
        """Whether the wall clock was moved, forwards or backwards, since the last look."""
        before, self._ahead = self._ahead, _ahead()
        return abs(self._ahead - before) > _JUMP


def _ahead() -> float:
    return time.time() - time.monotonic()
