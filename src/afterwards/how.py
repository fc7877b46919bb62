"""What `using` takes, and the options that it makes of that. Common to every door."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypedDict

from afterwards import checks
from afterwards.options import CallOptions
from afterwards.retries import Retry, as_duration
from afterwards.transactions import Transaction


class How(TypedDict, total=False):
    """What `using` takes. `delay` is seconds or a timedelta; `due` an aware datetime; `priority` 0–9, higher first.

    `deadline` is an aware datetime, or seconds or a timedelta from now. `timeout` is seconds or a timedelta.
    `keep_result` and `keep_logs`: keep what the function returns, and what it logs. `transaction` is a session or
    connection of the user's, whose commit stores the task. Under a `key`, one call of a function is a task at a time: a
    later one is a twin of it, also for `unique_for` (seconds or a timedelta) after its end; or takes its place while it
    waits, `replace=True`.
    """

    delay: float | timedelta
    due: datetime
    deadline: datetime | float | timedelta
    queue: str
    priority: int
    retry: Retry
    timeout: float | timedelta
    ordered: bool
    keep_result: bool
    keep_logs: bool
    transaction: Transaction
    key: str
    unique_for: float | timedelta
    replace: bool


AS_DECORATED = CallOptions()


def call_options(how: How) -> CallOptions:
    """The options of one call. Raises ValueError or TypeError for what makes no sense, at the call of `using`."""
    unknown = how.keys() - How.__optional_keys__
    if unknown:
        raise TypeError(
            f"using() does not know {', '.join(sorted(unknown))}: it takes {', '.join(How.__annotations__)}"
        )
    given: dict[str, Any] = dict(how)
    if "delay" in how:
        given["delay"] = as_duration(how["delay"], "delay")
    deadline = how.get("deadline")
    if deadline is not None and not isinstance(deadline, datetime):
        given["deadline"] = checks.some_time(deadline, "deadline")
    if "timeout" in how:
        given["timeout"] = checks.some_time(how["timeout"], "timeout")
    if "unique_for" in how:
        given["unique_for"] = checks.some_time(how["unique_for"], "unique_for")
    return replace(AS_DECORATED, **given)
