"""When a child that has ended may be started again. Pure.

The first time at once: most deaths have nothing to do with the next child, and its tasks wait. Each further death
without a time of health between doubles the wait.
"""

from __future__ import annotations

from dataclasses import dataclass

HEALTHY_AFTER = 30.0  # seconds that a child has lived, to be worth as much as the first
_FIRST, _LONGEST = 0.5, 30.0
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often in a row the children of one place have ended too soon."""

    deaths: int = 0

    def after_death(self, *, lived: float) -> Backoff:
        """What holds after a child has ended that lived for so many seconds."""
        return Backoff(deaths=1 if lived >= HEALTHY_AFTER else self.deaths + 1)

    @property
    def delay(self) -> float:
        """Seconds to wait before the next child: 0, 0.5, 1, 2, … 30."""
        if self.deaths <= 1:
            return 0.0
        return min(_FIRST * 2.0 ** min(self.deaths - 2, 10), _LONGEST)

    @property
    def is_hopeless(self) -> bool:
        """Where no child has ever come up, so many that failed at once will be followed by more."""
        return self.deaths >= _TRIES
