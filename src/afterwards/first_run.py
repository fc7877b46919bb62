"""The task that a call becomes when it is claimed by the write that stores it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterwards.tasks import Call, State, Task, WorkerId

_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


def first_run(call: Call, *, now: datetime, worker: WorkerId) -> Task:
    """The task that a call becomes when it is claimed by the write that stores it; `now` and its `due` are aware."""
    return Task(
        id=call.id,
        name=call.name,
        arguments=call.arguments,
        queue=call.queue,
        priority=call.priority,
        state=State.RUNNING,
        after=call.after,
        due=now if call.due is None else call.due.astimezone(UTC),
        added=now,
        attempt=1,
        run=1,
        crashes_allowed=call.crashes,
        worker=worker,
        started=now,
        retry=call.retry,
        timeout=call.timeout,
        deadline=_deadline_of(call, now),
        trace=call.trace,
        key=call.key,
        unique_for=call.unique_for,
        keeps=call.keeps,
        limit_key=call.limit_key,
        link=call.link,
    )


def _deadline_of(call: Call, now: datetime) -> datetime | None:
    if not isinstance(call.deadline, timedelta):
        return None if call.deadline is None else call.deadline.astimezone(UTC)
    return now + min(call.deadline, _LAST_INSTANT - now)
