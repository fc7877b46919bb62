"""Calls and outcomes as the rows that are written, tasks from the rows that are read: the one place that knows both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

from afterwards.errors import CannotStore
from afterwards.outcomes import Ending, Outcome
from afterwards.retries import Retry, retry_as_json, retry_from_json
from afterwards.tasks import Call, Claim, Failure, Hold, SignedOn, State, Task, WorkerId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STATES = {str(state): state for state in State}
LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND

Row = tuple[str | int | None, ...]

# The columns of the `task` fragment in queries.sql, in its order.
TaskRow = tuple[
    str, str, str, str, int, str, str | None, str | None, int, int, int, int, int, int, str | None,
    int | None, int | None, str | None, str | None, str | None, str | None, int, str | None,
]  # fmt: skip
WorkerRow = tuple[str, str, int, str, int, int, int]


def microseconds(duration: timedelta) -> int:
    """A duration as it is stored."""
    return duration // _MICROSECOND


def microseconds_at(instant: datetime) -> int:
    """An instant as it is stored; one without a zone is taken as UTC."""
    return (_aware(instant) - _EPOCH) // _MICROSECOND


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def instant(stored: int) -> datetime:
    """A stored instant, in UTC."""
    return _EPOCH + timedelta(microseconds=stored)


def later(now: int, delay: timedelta) -> int:
    """The stored instant `delay` from now, never beyond what a datetime can hold."""
    return min(now + microseconds(delay), LAST_INSTANT)


def earlier(now: int, duration: timedelta) -> int:
    """The stored instant `duration` before now, never before 1970."""
    return max(now - microseconds(duration), 0)


class Place(NamedTuple):
    """A call on its way in: whether it is held after another, and who claims it in the same write."""

    call: Call
    is_held: bool
    claimer: WorkerId | None


def due_of(call: Call, now: int) -> int:
    """When the call is due, as it is stored."""
    if call.due is not None:
        return microseconds_at(call.due)
    return later(now, call.delay) if call.delay else now


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
        due_of(call, now),
        now,
        int(is_claimed),
        int(is_claimed),
        call.crashes,
        None if call.retry is None else json.dumps(retry_as_json(call.retry)),
        claimer,
        now if is_claimed else None,
    )


def check_call(call: Call) -> None:
    """Raise CannotStore, naming the part, for a call that SQLite would refuse or not bring back as it was."""
    parts = {"name": call.name, "arguments": call.arguments, "queue": call.queue}
    for part, text in parts.items():
        if not is_storable(text):
            raise CannotStore(
                f"the {part} of a call to {call.name!a} holds a NUL character or half of a surrogate pair, which no "
                "store can keep: leave it out"
            )
    if not 0 <= call.priority <= 9:
        raise CannotStore(f"the priority of a call to {call.name} is 0 to 9, not {call.priority}")
    if not 0 <= call.crashes < 2**31:
        raise CannotStore(f"a call to {call.name} cannot be allowed {call.crashes} crashes")


def is_storable(text: str) -> bool:
    """It comes back as it was: no NUL, at which SQLite's JSON ends, and nothing that is not UTF-8."""
    return "\x00" not in text and (text.isascii() or not _has_surrogate(text))


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def cleaned(text: str) -> str:
    """The text with a question mark for what cannot be stored."""
    return text if is_storable(text) else text.replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")


def claim_row(claim: Claim) -> list[object]:
    """A claim as `held_claims` takes it."""
    return [str(claim.id), claim.run, claim.worker]


class Fate(NamedTuple):
    """What follows from an ending, as it is stored."""

    state: str
    waits: bool
    has_ended: bool
    held: str | None
    untried: bool
    gives_back: bool
    frees: bool


def _fate(ending: Ending) -> Fate:
    outcome = Outcome(claim=Claim(id=UUID(int=0), run=0, worker=WorkerId("")), ending=ending)
    return Fate(
        state=outcome.state.value,
        waits=outcome.state is State.WAITING,
        has_ended=outcome.state.ended,
        held=None if outcome.held is None else outcome.held.value,
        untried=ending in (Ending.RETURNED, Ending.UNKNOWN),
        gives_back=outcome.gives_attempt_back,
        frees=outcome.frees_followers,
    )


# Looked up, since an outcome's properties decide it anew each time they are asked.
_FATES = {ending: _fate(ending) for ending in Ending}


def fate_of(outcome: Outcome) -> Fate:
    """What follows from it."""
    return _FATES[outcome.ending]


def outcome_row(sequence: int, outcome: Outcome, now: int) -> Row:
    """An outcome whose claim holds, as `settle_outcomes` takes it."""
    fate = _FATES[outcome.ending]
    keeps_place = fate.has_ended or (fate.untried and not outcome.delay)
    return (
        sequence,
        fate.state,
        fate.held,
        None if keeps_place else later(now, outcome.delay),
        None if fate.untried else earlier(now, outcome.took),
        now if fate.has_ended else None,
        fate.gives_back,
        fate.frees,
        outcome.error is None and outcome.ending is not Ending.DONE,
        None if outcome.error is None else failure_text(outcome.error),
        outcome.result,
    )


def failure_text(failure: Failure) -> str:
    """A failure as it is stored."""
    texts = {"kind": failure.kind, "message": failure.message, "traceback": failure.traceback}
    return json.dumps({part: cleaned(text) for part, text in texts.items()}, ensure_ascii=False)


def tasks(rows: Sequence[Sequence[object]]) -> list[Task]:
    """The tasks of the rows that the `task` fragment made."""
    return [_task(cast("TaskRow", row)) for row in rows]


def _task(row: TaskRow) -> Task:
    (
        id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes, suspect, worker,
        started, ended, error, result, progress, key, stop_asked, retry,
    ) = row  # fmt: skip
    due_at = instant(due)
    return Task(
        id=UUID(id),
        name=name,
        arguments=arguments,
        queue=queue,
        priority=priority,
        state=_STATES[state],
        held=None if held is None else Hold(held),
        after=None if after is None else UUID(after),
        due=due_at,
        added=due_at if added == due else instant(added),
        attempt=attempt,
        run=run,
        crashes=crashes,
        suspect=bool(suspect),
        worker=None if worker is None else WorkerId(worker),
        started=None if started is None else instant(started),
        ended=None if ended is None else instant(ended),
        error=None if error is None else _failure(error),
        result=result,
        progress=progress,
        key=key,
        stop_asked=bool(stop_asked),
        retry=None if retry is None else _retry(retry),
    )


def _failure(stored: str) -> Failure:
    fields = cast("dict[str, str]", json.loads(stored))
    return Failure(kind=fields["kind"], message=fields["message"], traceback=fields["traceback"])


def _retry(stored: str) -> Retry | None:
    """None, the default, for a policy that only a newer version understands: one task must not stop every claim."""
    try:
        return retry_from_json(cast("dict[str, object]", json.loads(stored)))
    except (ValueError, TypeError):
        return None


def worker(row: Sequence[object]) -> SignedOn:
    """The worker of a row of `list_workers`."""
    id, host, pid, label, signed_on, expires, leaving = cast("WorkerRow", row)
    return SignedOn(
        id=WorkerId(id),
        host=host,
        pid=pid,
        label=label,
        signed_on=instant(signed_on),
        expires=instant(expires),
        leaving=bool(leaving),
    )
