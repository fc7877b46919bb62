"""Times and amounts as people say them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d{1,6})(s|min|h|d|w)")
_LENGTHS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def ago(instant: datetime, now: datetime) -> str:
    """`2 s ago`; what lies ahead by a clock that goes differently is just now."""
    return f"{duration(max(now - instant, timedelta(0)))} ago"


def ahead(instant: datetime, now: datetime) -> str:
    """`in 2 s`, or `now` when the moment has come."""
    return f"in {duration(instant - now)}" if instant > now else "now"


def duration(length: timedelta) -> str:
    """In the largest unit that gives a whole number: `15 ms`, `2 s`, `3 min`, `5 h`, `12 d`."""
    seconds = length.total_seconds()
    for name, unit in _UNITS:
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def amount(value: float) -> str:
    """All digits of a whole number, three decimals at most of another: `1234567`, `0.5`."""
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}".rstrip("0").rstrip(".")


def moment(text: str, now: datetime) -> datetime:
    """The instant that `2h` or `7d` before now, or a date means, one without a zone in UTC. Raises ValueError."""
    length = _AGO.fullmatch(text)
    try:
        if length:
            return now - timedelta(**{_LENGTHS[length[2]]: int(length[1])})
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither how long ago, such as 90min, 2h or 7d, nor a date") from None
