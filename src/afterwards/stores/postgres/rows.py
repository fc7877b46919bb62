"""Tasks and workers from the rows that are read, and columns for what is written: the one place that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from afterwards import kept, links, stored
from afterwards.outcomes import Ending, Outcome
from afterwards.stores.postgres.driver import Row
from afterwards.tasks import Call, Hold, SignedOn, State, Task, TaskId, WorkerId

_FARTHEST = timedelta(days=366 * 8000)  # what a wait may be: from now, that ends beyond the calendar
_LONGEST_AGO = timedelta(days=366 * 1000)  # what may be subtracted from now: that ends long before 1970
_STATES = {str(state): state for state in State}

# The columns of the `task` fragment in queries.sql, in its order.
TaskRow = tuple[
    UUID, str, str, str, int, str, str | None, UUID | None, datetime, datetime, int, int, int, int, bool, bool,
    str | None, datetime | None, datetime | None, str | None, str | None, str | None, str | None, bool, str | None,
    timedelta | None, datetime | None, timedelta | None, str | None, str | None, str | None, str, bool, str | None,
]  # fmt: skip
WorkerRow = tuple[str, str, int, str, datetime, datetime, bool]


def wait(delay: timedelta) -> timedelta:
    """A wait as it can be added to any instant; statements end it with the calendar."""
    return min(delay, _FARTHEST)


def ago(duration: timedelta) -> timedelta:
    """A duration as it can be taken from any instant; statements end it at 1970."""
    return min(duration, _LONGEST_AGO)


def aware(instant: datetime) -> datetime:
    """An instant without a zone is taken as UTC."""
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def call_columns(calls: Sequence[Call]) -> dict[str, list[object]]:
    """Calls as `add_calls` takes them."""
    return {
        "ids": [call.id for call in calls],
        "call_names": [call.name for call in calls],
        "arguments": [call.arguments for call in calls],
        "queues": [call.queue for call in calls],
        "priorities": [call.priority for call in calls],
        "afters": [former_of(call) for call in calls],
        "dues": [None if call.due is None else aware(call.due) for call in calls],
        "delays": [wait(call.delay) for call in calls],
        "crashes": [call.crashes for call in calls],
        "retries": [None if call.retry is None else stored.retry_text(call.retry) for call in calls],
        "timeouts": [call.timeout for call in calls],
        "deadlines": [aware(call.deadline) if isinstance(call.deadline, datetime) else None for call in calls],
        "times_left": [wait(call.deadline) if isinstance(call.deadline, timedelta) else None for call in calls],
        "keys": [call.key for call in calls],
        "unique_for": [_unique_for(call) for call in calls],
        "traces": [call.trace for call in calls],
        "keeps": [None if call.keeps is None else kept.keeps_text(call.keeps) for call in calls],
        "limit_keys": [call.limit_key for call in calls],
        **_links(calls),
    }


def former_of(call: Call) -> TaskId | None:
    """The call it comes after, unless that is itself."""
    return None if call.after == call.id else call.after


def outcome_columns(held: Sequence[tuple[int, Outcome]]) -> dict[str, list[object]]:
    """Outcomes whose claims hold, each with the sequence of its task, as `settle_outcomes` takes them."""
    outcomes = [outcome for _, outcome in held]
    fates = [stored.fate_of(outcome) for outcome in outcomes]
    return {
        "sequences": [sequence for sequence, _ in held],
        "ids": [outcome.claim.id for outcome in outcomes],
        "states": [fate.state for fate in fates],
        "holds": [fate.held for fate in fates],
        "delays": [_delay(outcome) for outcome in outcomes],
        "took": [None if fate.untried else ago(o.took) for fate, o in zip(fates, outcomes, strict=True)],
        "ends": [fate.has_ended for fate in fates],
        "gives_back": [fate.gives_back for fate in fates],
        "frees": [fate.frees for fate in fates],
        "keeps_error": [outcome.error is None and outcome.ending is not Ending.DONE for outcome in outcomes],
        "errors": [None if outcome.error is None else stored.failure_text(outcome.error) for outcome in outcomes],
        "results": [outcome.result for outcome in outcomes],
        "progress": [
            None if outcome.progress is None else kept.progress_text(outcome.progress) for outcome in outcomes
        ],
        "logs": [None if outcome.logs is None else kept.logs_text(outcome.logs) for outcome in outcomes],
    }


def _delay(outcome: Outcome) -> timedelta | None:
    """None where the task keeps its place in the line."""
    fate = stored.fate_of(outcome)
    return None if fate.has_ended or (fate.untried and not outcome.delay) else wait(outcome.delay)


def received_columns(tasks: Sequence[Task], holds: Sequence[Hold | None]) -> dict[str, list[object]]:
    """Tasks of another store as `receive_tasks` takes them."""
    return {
        "ids": [task.id for task in tasks],
        "task_names": [task.name for task in tasks],
        "arguments": [task.arguments for task in tasks],
        "queues": [task.queue for task in tasks],
        "priorities": [task.priority for task in tasks],
        "holds": list(holds),
        "afters": [task.after for task in tasks],
        "dues": [aware(task.due) for task in tasks],
        "added": [aware(task.added) for task in tasks],
        "attempts": [task.attempt for task in tasks],
        "runs": [task.run for task in tasks],
        "crashes": [task.crashes for task in tasks],
        "allowed": [task.crashes_allowed for task in tasks],
        "suspects": [task.suspect for task in tasks],
        "turns_over": [task.turn_over for task in tasks],
        "started": [None if task.started is None else aware(task.started) for task in tasks],
        "retries": [None if task.retry is None else stored.retry_text(task.retry) for task in tasks],
        "errors": [None if task.error is None else stored.failure_text(task.error) for task in tasks],
        "results": [task.returned for task in tasks],
        "progress": [None if task.progress is None else kept.progress_text(task.progress) for task in tasks],
        "keys": [task.key for task in tasks],
        "timeouts": [task.timeout for task in tasks],
        "deadlines": [None if task.deadline is None else aware(task.deadline) for task in tasks],
        "unique_for": [_unique_for(task) for task in tasks],
        "traces": [task.trace for task in tasks],
        "keeps": [None if task.keeps is None else kept.keeps_text(task.keeps) for task in tasks],
        "logs": [kept.logs_text(task.logs) if task.logs else None for task in tasks],
        "limit_keys": [task.limit_key for task in tasks],
        "tries": [kept.tries_text(task.tries) for task in tasks],
        **_links(tasks),
    }


def _links(things: Sequence[Call] | Sequence[Task]) -> dict[str, list[object]]:
    return {
        "chains": [None if thing.link is None else str(thing.link.chain) for thing in things],
        "links": [None if thing.link is None else links.link_text(thing.link) for thing in things],
    }


def _unique_for(thing: Call | Task) -> timedelta | None:
    return None if thing.unique_for is None else wait(thing.unique_for)


def tasks(rows: Sequence[Row]) -> list[Task]:
    """The tasks of the rows that the `task` fragment made."""
    return [_task(cast("TaskRow", row)) for row in rows]


def whole_tasks(rows: Sequence[Row]) -> list[Task]:
    """The same of those that the `whole_task` fragment made, with their tries."""
    return [_whole_task(row) for row in rows]


def _whole_task(row: Row) -> Task:
    *task, tries = row
    found = _task(cast("TaskRow", task))
    return found if tries is None else replace(found, tries=kept.tries(cast("str", tries)))


def _task(row: TaskRow) -> Task:
    (
        id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes, crashes_allowed,
        suspect, freed, worker, started, ended, error, result, progress, key, stop_asked, retry, timeout,
        deadline, unique_for, trace, keeps, logs, limit_key, limited, link,
    ) = row  # fmt: skip
    return Task(
        id=own(id),
        name=name, arguments=arguments, queue=queue, priority=priority,
        state=_STATES[state],
        held=None if held is None else Hold(held),
        after=None if after is None else own(after),
        due=due,
        added=added,
        attempt=attempt, run=run, crashes=crashes, crashes_allowed=crashes_allowed,
        suspect=suspect,
        turn_over=freed,
        worker=None if worker is None else WorkerId(worker),
        started=started,
        ended=ended,
        error=None if error is None else stored.failure(error),
        returned=result,
        progress=kept.progress(progress),
        logs=kept.logs(logs),
        key=key,
        stop_asked=stop_asked,
        retry=None if retry is None else stored.retry(retry),
        timeout=timeout,
        deadline=deadline,
        trace=trace,
        unique_for=unique_for,
        keeps=kept.keeps(keeps),
        limit_key=limit_key,
        limited=limited,
        link=None if link is None else links.link(link),
    )  # fmt: skip


def worker(row: Row) -> SignedOn:
    """The worker of a row of `list_workers`."""
    id, host, pid, label, signed_on, expires, leaving = cast("WorkerRow", row)
    return SignedOn(
        id=WorkerId(id), host=host, pid=pid, label=label, signed_on=signed_on, expires=expires, leaving=leaving
    )


def ids(rows: Sequence[Row]) -> list[TaskId]:
    """The ids that a statement brings, one a row."""
    return [own(cast("UUID", row[0])) for row in rows]


def own(id: UUID) -> UUID:
    """A plain UUID: the driver brings a subclass of its own, which looks different where it is written out."""
    return UUID(int=id.int)
