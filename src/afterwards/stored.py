"""What every store writes and reads alike: instants, failures, policies, and what follows from an ending."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

from afterwards.errors import CannotStore
from afterwards.links import needs_others
from afterwards.outcomes import Ending, Outcome
from afterwards.retries import Retry, retry_as_json, retry_from_json
from afterwards.schedules import Tick
from afterwards.tasks import LONGEST_KEY, Call, Claim, Failure, Hold, State, Task, TaskId, WorkerId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


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


def duration(stored: int) -> timedelta:
    """A stored duration."""
    return timedelta(microseconds=stored)


def later(now: int, delay: timedelta) -> int:
    """The stored instant `delay` from now, never beyond what a datetime can hold."""
    return min(now + microseconds(delay), LAST_INSTANT)


def earlier(now: int, duration: timedelta) -> int:
    """The stored instant `duration` before now, never before 1970."""
    return max(now - microseconds(duration), 0)


def due_of(call: Call, now: int) -> int:
    """When the call is due, as it is stored."""
    if call.due is not None:
        return microseconds_at(call.due)
    return later(now, call.delay) if call.delay else now


def deadline_of(call: Call, now: int) -> int | None:
    """After when the call is not started any more, as it is stored."""
    if call.deadline is None:
        return None
    return later(now, call.deadline) if isinstance(call.deadline, timedelta) else microseconds_at(call.deadline)


def timeout_of(thing: Call | Task) -> int | None:
    """The timeout that was given at the call, as it is stored."""
    return None if thing.timeout is None else microseconds(thing.timeout)


def unique_for_of(thing: Call | Task) -> int | None:
    """How long its key is held after its end, as it is stored."""
    return None if thing.unique_for is None else min(microseconds(thing.unique_for), LAST_INSTANT)


def check_call(call: Call) -> None:
    """Raise CannotStore, naming the part, for a call that some store would refuse or not bring back as it was."""
    if not is_storable(f"{call.name}{call.arguments}{call.queue}{call.key}{call.limit_key}"):
        _refuse_text(call)
    if not 0 <= call.priority <= 9:
        raise CannotStore(f"the priority of a call to {call.name} is 0 to 9, not {call.priority}")
    if not 0 <= call.crashes < 2**31:
        raise CannotStore(f"a call to {call.name} cannot be allowed {call.crashes} crashes")
    if call.key is not None and not 1 <= len(call.key) <= LONGEST_KEY:
        raise CannotStore(f"the key of a call to {call.name} has 1 to {LONGEST_KEY} characters, not {len(call.key)}")


def _refuse_text(call: Call) -> None:
    parts = {"name": call.name, "arguments": call.arguments, "queue": call.queue}
    for part, text in {**parts, "key": call.key or "", "limit key": call.limit_key}.items():
        if not is_storable(text):
            raise CannotStore(
                f"the {part} of a call to {call.name!a} holds a NUL character or half of a surrogate pair, which no "
                "store can keep: leave it out"
            )


def check_ticks(ticks: Sequence[Tick]) -> None:
    """The same for the calls that ticks bring."""
    for tick in ticks:
        for call in tick.calls:
            check_call(call)


def check_received(task: Task) -> None:
    """Raise for a task of another store that cannot be received: ValueError, if it is not waiting, or CannotStore."""
    if task.state is not State.WAITING:
        raise ValueError(f"only waiting tasks can be received, and task {task.id} is {task.state}")
    parts = {"arguments": task.arguments, "returned": task.returned, "key": task.key, "limit key": task.limit_key}
    for part, text in {"name": task.name, "queue": task.queue, **parts}.items():
        if text is not None and not is_storable(text):
            raise CannotStore(f"the {part} of task {task.id} holds a NUL character or half of a surrogate pair")
    if not 0 <= task.priority <= 9:
        raise CannotStore(f"the priority of task {task.id} is {task.priority}, and has to be 0 to 9")


def holds_of(tasks: Sequence[Task], turns_over: Mapping[TaskId, bool]) -> list[Hold | None]:
    """What holds each of these tasks where they are received together.

    `turns_over` says it of those of their formers that are stored there already.
    """
    formers = {**{task.id: task.turn_over for task in tasks}, **turns_over}
    return [_hold_of(task, formers) for task in tasks]


def steps_placed(tasks: Sequence[Task], here: Collection[TaskId]) -> list[Task]:
    """These tasks as they are received, each step of a chain after the last that it needs of those stored `here`.

    Those that come with it count as stored; of those that do not, nothing is to be waited for.
    """
    known = {*here, *(task.id for task in tasks)}
    return [
        replace(task, after=_last_need(task.link.needs, known)) if task.link is not None and task.link.needs else task
        for task in tasks
    ]


def _last_need(needs: Sequence[TaskId], known: Collection[TaskId]) -> TaskId | None:
    return next((id for id in reversed(needs) if id in known), None)


def _hold_of(task: Task, formers: Mapping[TaskId, bool]) -> Hold | None:
    if task.held is Hold.UNKNOWN:
        return Hold.UNKNOWN
    if needs_others(task.link):
        return None if task.after is None else Hold.AFTER
    if task.after is None or task.turn_over:
        return None
    return None if formers.get(task.after, True) else Hold.AFTER


def is_storable(text: str) -> bool:
    """It comes back as it was: no NUL, which ends SQLite's JSON and PostgreSQL refuses, and nothing but UTF-8."""
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


def failure_text(failure: Failure) -> str:
    """A failure as it is stored."""
    texts = {"kind": failure.kind, "message": failure.message, "traceback": failure.traceback}
    return json.dumps({part: cleaned(text) for part, text in texts.items()}, ensure_ascii=False)


def in_json(text: str) -> str:
    """A text as it stands between the quotes, where a failure is stored."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def retry_text(policy: Retry) -> str:
    """A policy as it is stored."""
    return json.dumps(retry_as_json(policy))


def failure(stored: str) -> Failure:
    """A stored failure."""
    fields = cast("dict[str, str]", json.loads(stored))
    return Failure(kind=fields["kind"], message=fields["message"], traceback=fields["traceback"])


def retry(stored: str) -> Retry | None:
    """A stored policy. None, the default, for one that only a newer version knows: it must not stop every claim."""
    try:
        return retry_from_json(cast("dict[str, object]", json.loads(stored)))
    except (ValueError, TypeError):
        return None


def final(outcome: Outcome, stop_asked: int) -> Outcome:
    """A run that somebody asked to stop does not wait for another try; a result must come back as it was."""
    if stop_asked and fate_of(outcome).waits:
        outcome = replace(outcome, ending=Ending.CANCELLED)
    if outcome.result is not None and not is_storable(outcome.result):
        outcome = replace(outcome, result=None, error=_reason("result", "it holds a NUL or half of a surrogate pair"))
    return outcome


def bare(outcome: Outcome, error: Exception) -> Outcome:
    """The outcome without its texts, and the reason instead. Calls that cannot be stored make it a failure."""
    what = "calls it added" if outcome.calls else "error" if outcome.error else "result"
    ending = Ending.FAILED if outcome.calls else outcome.ending
    return replace(outcome, ending=ending, error=_reason(what, str(error)), result=None, logs=None, calls=())


def _reason(what: str, why: str) -> Failure:
    return Failure(kind="afterwards.errors.CannotStore", message=f"the {what} could not be stored: {why}")
