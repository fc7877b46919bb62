"""The two words of adding: `using(...)` says how, `add_task(...)` says what. Common to every door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypedDict, Unpack

from afterwards import checks
from afterwards.batch import Batch, TaskHandle
from afterwards.options import CallOptions
from afterwards.retries import Retry, as_duration
from afterwards.transactions import Transaction

P = ParamSpec("P")


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


class UsingTasks:
    """`background_tasks.using(...)`: adds tasks with these options."""

    def __init__(self, batch: Batch, options: CallOptions) -> None:
        self._batch = batch
        self._options = options

    def add_task(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Add one task with these options; every argument goes to the function. See `BackgroundTasks.add_task`."""
        return self._batch.add(func, args, kwargs, self._options)


class Tasks(UsingTasks):
    """Adds tasks to a batch: what Starlette's doors hand out."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch, AS_DECORATED)

    def using(self, **how: Unpack[How]) -> UsingTasks:
        """Add with options: `tasks.using(delay=60).add_task(...)`."""
        return UsingTasks(self._batch, call_options(how))
