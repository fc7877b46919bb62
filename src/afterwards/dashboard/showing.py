"""How values are shown: times, numbers, JSON, names. Texts come out cut; the desk makes them harmless."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from afterwards import harmless
from afterwards.dashboard.sampling import runs, waits
from afterwards.phrases import ago, ahead, amount, duration
from afterwards.quotas import Quota
from afterwards.steering import Order
from afterwards.tasks import Hold, Progress, State, Task
from afterwards.throughput import pace
from afterwards.tracing import trace_id
from afterwards.visitors import Act, Visitor

LONGEST_TEXT = 10_000
LONGEST_LINE = 160
_MILLISECOND = timedelta(milliseconds=1)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HELD = {
    Hold.AFTER: "for the task before it in its request",
    Hold.UNKNOWN: "for a worker that knows its function",
    Hold.LIMIT: "for a place within its limit",
    Hold.RATE: "for its rate",
}


def exact(instant: datetime) -> str:
    """For those who point at a relative time."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def relative(instant: datetime, now: datetime) -> str:
    """`2 s ago`, `in 3 min`."""
    return ahead(instant, now) if instant > now else ago(instant, now)


def length(span: timedelta | None) -> str:
    """`15 ms`, `640 µs`, or a dash."""
    if span is None:
        return "–"
    if timedelta(0) < span < _MILLISECOND:
        return f"{span // timedelta(microseconds=1)} µs"
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if 1 <= seconds < 10 else duration(span)


def number(value: int) -> str:
    """With thin spaces, so that large ones can be read."""
    return f"{value:,}".replace(",", "\u202f")


def pretty(text: str | None) -> str:
    """JSON as it is read best, cut to a length. Numbers stay as they are, however large."""
    if text is None:
        return ""
    try:
        return cut(json.dumps(json.loads(text), ensure_ascii=False, indent=2))
    except (ValueError, RecursionError):
        return cut(text)


def brief(text: str) -> str:
    """JSON in one line: the arguments of a call as one would write them."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return line(text)
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return line(", ".join(f"{_short_of(name)}={_short(item)}" for name, item in items))
    return line(_short(value))


def _short(value: object) -> str:
    return json.dumps(_short_of(value) if isinstance(value, str) else value, ensure_ascii=False)


def _short_of(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"


def cut(text: str) -> str:
    """What is too long for a page is left out, and it is said how much."""
    return harmless.cut(text, LONGEST_TEXT)


def first_line(text: str) -> str:
    """The first line that says something."""
    return line(next((some.strip() for some in text.splitlines() if some.strip()), ""))


def short_name(name: str) -> str:
    """The function without its module."""
    return line(name.rpartition(":")[2] or name)


def held(task: Task) -> str:
    """What it waits for, in words."""
    if task.held is Hold.AFTER and task.link is not None:
        return "for what it needs"
    return "" if task.held is None else _HELD[task.held]


def moment(task: Task) -> datetime:
    """The instant that matters in its state."""
    match task.state:
        case State.WAITING:
            return task.due
        case State.RUNNING:
            return task.started or task.due
        case State.DONE | State.FAILED | State.CANCELLED:
            return task.ended or task.due


def percent(progress: Progress | None) -> tuple[float, float, str] | None:
    """How much is done, of how much, and what it says; None where it says nothing."""
    return None if progress is None else (progress.done, progress.of or 0, line(progress.say))


def line(text: str) -> str:
    """In one line, cut to a length."""
    shown = harmless.harmless(text[: LONGEST_LINE + 1])
    return shown if len(shown) <= LONGEST_LINE else f"{shown[: LONGEST_LINE - 1]}…"


def clock(instant: datetime) -> str:
    """The time of day, to the millisecond."""
    return f"{instant.astimezone(UTC):%H:%M:%S.%f}"[:-3]


def level(name: str) -> str:
    """How grave a line of a log is."""
    return {"WARNING": "grave", "ERROR": "gravest", "CRITICAL": "gravest"}.get(name, "usual")


def quota_in_words(quota: Quota | None) -> str:
    """`4 at once, 100 in 1 min`."""
    if quota is None:
        return "–"
    most = "" if quota.most is None else f"{number(quota.most)} at once"
    rate = "" if quota.rate is None else f"{number(quota.rate.count)} in {length(quota.rate.period)}"
    return ", ".join(filter(None, (most, rate)))


def term(value: str, field: str) -> str:
    """What finds it, as a person would type it: `queue:mail`, `queue:'my mail'`."""
    return f"{field}:{shlex.quote(value)}"


def is_id(text: str) -> bool:
    """Whether it can be a task's id."""
    return _ID.fullmatch(text) is not None


def rights(who: Visitor) -> str:
    """What he may do, in words."""
    may = [action for action in Act if who.can(action)]
    return "may look" if not may else "may do all" if len(may) == len(Act) else f"may look, {', '.join(may)}"


def orders(who: Visitor) -> list[str]:
    """What he may do to many tasks at once."""
    return [order for order in Order if who.can(order)]


FILTERS: dict[str, Callable[..., Any]] = {
    "amount": amount,
    "exact": exact,
    "relative": relative,
    "length_of": length,
    "number": number,
    "pace": pace,
    "pretty": pretty,
    "brief": brief,
    "cut": cut,
    "first_line": first_line,
    "short_name": short_name,
    "held": held,
    "moment": moment,
    "percent": percent,
    "line": line,
    "is_id": is_id,
    "term": term,
    "clock": clock,
    "level": level,
    "quota": quota_in_words,
    "waits": waits,
    "runs": runs,
    "rights": rights,
    "orders": orders,
    "trace_id": trace_id,
}
