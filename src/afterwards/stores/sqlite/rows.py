"""Calls and outcomes as the rows that are written, tasks from the rows that are read: the one place that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, cast
from uuid import UUID

from afterwards import kept, links, stored
from afterwards.links import Link
from afterwards.outcomes import Ending, Outcome
from afterwards.tasks import Call, Claim, Hold, SignedOn, State, Task, TaskId, WorkerId

_STATES = {str(state): state for state in State}

Row = tuple[str | int | None, ...]

# The columns of the `task` fragment in queries.sql, in its order.
TaskRow = tuple[
    str, str, str, str, int, str, str | None, str | None, int, int, int, int, int, int, int, int, str | None,
    int | None, int | None, str | None, str | None, str | None, str | None, int, str | None, int | None,
    int | None, int | None, str | None, str | None, str | None, str, int, str | None,
]  # fmt: skip
WorkerRow = tuple[str, str, int, str, int, int, int]


class Place(NamedTuple):
    """A call on its way in: whether it is held after another, and who claims it in the same write."""

    call: Call
    is_held: bool
    claimer: WorkerId | None


def call_row(place: Place, now: int) -> Row:
    """A call as `add_calls` takes it."""
    call, is_held, claimer = place
    is_claimed = claimer is not None
    return (
        str(call.id),
        call.name,
        call.arguments,
        call.queue,
        call.priority,
        "running" if is_claimed else "waiting",
        "after" if is_held else None,
        None if call.after is None or call.after == call.id else str(call.after),
        stored.due_of(call, now),
        now,
        int(is_claimed),
        int(is_claimed),
        call.crashes,
        None if call.retry is None else stored.retry_text(call.retry),
        claimer,
        now if is_claimed else None,
        stored.timeout_of(call),
        stored.deadline_of(call, now),
        call.key,
        stored.unique_for_of(call),
        call.trace,
        None if call.keeps is None else kept.keeps_text(call.keeps),
        call.limit_key,
        *_link(call.link),
    )


def replacement(id: TaskId, call: Call, now: int) -> dict[str, str | int | None]:
    """A call as `replace_task` takes it."""
    return {
        "id": str(id),
        "arguments": call.arguments,
        "queue": call.queue,
        "priority": call.priority,
        "due": stored.due_of(call, now),
        "deadline": stored.deadline_of(call, now),
        "retry": None if call.retry is None else stored.retry_text(call.retry),
        "timeout": stored.timeout_of(call),
        "crashes_allowed": call.crashes,
        "trace": call.trace,
        "keeps": None if call.keeps is None else kept.keeps_text(call.keeps),
        "limit_key": call.limit_key,
    }


def received_row(task: Task, hold: Hold | None) -> Row:
    """A task as `receive_tasks` takes it."""
    return (
        str(task.id),
        task.name,
        task.arguments,
        task.queue,
        task.priority,
        hold,
        None if task.after is None else str(task.after),
        stored.microseconds_at(task.due),
        stored.microseconds_at(task.added),
        task.attempt,
        task.run,
        task.crashes,
        task.crashes_allowed,
        task.suspect,
        task.turn_over,
        None if task.started is None else stored.microseconds_at(task.started),
        None if task.retry is None else stored.retry_text(task.retry),
        None if task.error is None else stored.failure_text(task.error),
        task.returned,
        None if task.progress is None else kept.progress_text(task.progress),
        task.key,
        task.state,
        stored.timeout_of(task),
        None if task.deadline is None else stored.microseconds_at(task.deadline),
        stored.unique_for_of(task),
        task.trace,
        None if task.keeps is None else kept.keeps_text(task.keeps),
        kept.logs_text(task.logs) if task.logs else None,
        task.limit_key,
        *_link(task.link),
        kept.tries_text(task.tries),
    )


def _link(link: Link | None) -> tuple[str | None, str | None]:
    """Its chain, and all of it."""
    return (None, None) if link is None else (str(link.chain), links.link_text(link))


def claim_row(claim: Claim) -> list[object]:
    """A claim as `held_claims` takes it."""
    return [str(claim.id), claim.run, claim.worker]


def outcome_row(sequence: int, outcome: Outcome, now: int) -> Row:
    """An outcome whose claim holds, as `settle_outcomes` takes it."""
    fate = stored.fate_of(outcome)
    keeps_place = fate.has_ended or (fate.untried and not outcome.delay)
    return (
        sequence,
        fate.state,
        fate.held,
        None if keeps_place else stored.later(now, outcome.delay),
        None if fate.untried else stored.earlier(now, outcome.took),
        now,
        fate.gives_back,
        fate.frees,
        outcome.error is None and outcome.ending is not Ending.DONE,
        None if outcome.error is None else stored.failure_text(outcome.error),
        outcome.result,
        None if outcome.progress is None else kept.progress_text(outcome.progress),
        None if outcome.logs is None else kept.logs_text(outcome.logs),
    )


def tasks(rows: Sequence[Sequence[object]]) -> list[Task]:
    """The tasks of the rows that the `task` fragment made."""
    return [_task(cast("TaskRow", row)) for row in rows]


def whole_tasks(rows: Sequence[Sequence[object]]) -> list[Task]:
    """The same of those that the `whole_task` fragment made, with their tries."""
    return [_whole_task(row) for row in rows]


def _whole_task(row: Sequence[object]) -> Task:
    *task, tries = row
    found = _task(cast("TaskRow", task))
    return found if tries is None else replace(found, tries=kept.tries(cast("str", tries)))


def _task(row: TaskRow) -> Task:
    (
        id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes, crashes_allowed,
        suspect, freed, worker, started, ended, error, result, progress, key, stop_asked, retry, timeout,
        deadline, unique_for, trace, keeps, logs, limit_key, limited, link,
    ) = row  # fmt: skip
    due_at = stored.instant(due)
    return Task(
        id=UUID(id),
        name=name, arguments=arguments, queue=queue, priority=priority,
        state=_STATES[state],
        held=None if held is None else Hold(held),
        after=None if after is None else UUID(after),
        due=due_at,
        added=due_at if added == due else stored.instant(added),
        attempt=attempt, run=run, crashes=crashes, crashes_allowed=crashes_allowed,
        suspect=bool(suspect),
        turn_over=bool(freed),
        worker=None if worker is None else WorkerId(worker),
        started=None if started is None else stored.instant(started),
        ended=None if ended is None else stored.instant(ended),
        error=None if error is None else stored.failure(error),
        returned=result,
        progress=kept.progress(progress),
        logs=kept.logs(logs),
        key=key,
        stop_asked=bool(stop_asked),
        retry=None if retry is None else stored.retry(retry),
        timeout=None if timeout is None else stored.duration(timeout),
        deadline=None if deadline is None else stored.instant(deadline),
        trace=trace,
        unique_for=None if unique_for is None else stored.duration(unique_for),
        keeps=kept.keeps(keeps),
        limit_key=limit_key,
        limited=bool(limited),
        link=links.link(link),
    )  # fmt: skip


def worker(row: Sequence[object]) -> SignedOn:
    """The worker of a row of `list_workers`."""
    id, host, pid, label, signed_on, expires, leaving = cast("WorkerRow", row)
    return SignedOn(
        id=WorkerId(id),
        host=host,
        pid=pid,
        label=label,
        signed_on=stored.instant(signed_on),
        expires=stored.instant(expires),
        leaving=bool(leaving),
    )
