"""How many runs of one function, or from one queue, may go on at once or begin in a time. Pure values, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_PERIODS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_RATE = re.compile(rf"(\d+) */ *({'|'.join(_PERIODS)})")
_MOST = 1_000_000_000  # what every store can count


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many may begin in any `period`, wherever one lets it begin."""

    count: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a decorator or `queue()` declares. `name` is `function:…` or `queue:…`; `most` runs at once, None: any.

    A function whose tasks carry a key has the quota for each key apart.
    """

    name: str
    most: int | None = None
    rate: Rate | None = None


def of_function(name: str) -> str:
    """The name of the quota of a function."""
    return f"function:{name}"


def of_queue(name: str) -> str:
    """The name of the quota of a queue."""
    return f"queue:{name}"


def limit_of(value: object) -> int | None:
    """A limit as it was written. Raises TypeError for what is no whole number, ValueError for one below 1."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"limit is a whole number of runs at once, such as limit=3, not {value!r}")
    if not 1 <= value <= _MOST:
        raise ValueError(
            f"limit is at least 1, and at most {_MOST:,}, not {value!r}: to start nothing, pause the queue"
        )
    return value


def rate_of(value: object) -> Rate | None:
    """A rate as it was written, `"100/minute"`. Raises TypeError for what is no text, ValueError for nonsense."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f'rate is a text such as "100/minute", not {value!r}')
    read = _RATE.fullmatch(value.strip())
    if read is None:
        raise ValueError(f'rate is a whole number per {", ".join(_PERIODS)}, such as "100/minute", not {value!r}')
    count = int(read[1])
    if not 1 <= count <= _MOST:
        raise ValueError(
            f"a rate is at least 1, and at most {_MOST:,}, not {value!r}: to start nothing, pause the queue"
        )
    return Rate(count=count, period=_PERIODS[read[2]])
