"""The story of a task, from its first try to now: what it waited, how each try went. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterwards.tasks import Failure, State, Task, Try, TryEnding

_NOTHING = timedelta(0)
_WORDS = {
    TryEnding.FAILED: "failed",
    TryEnding.AGAIN: "asked for a later try",
    TryEnding.CRASHED: "its process died",
    TryEnding.DONE: "done",
    TryEnding.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A try, and the wait before it: None, where nobody knows when that began.

    `how` says how it ended, or that it runs. `retried`: a person has let the task wait again. `ran` is None while it
    runs, and where nobody noted its end. `error` is that of an earlier try; the task has that of its last.
    """

    waited: timedelta | None
    retried: bool
    attempt: int
    started: datetime
    ended: datetime | None
    ran: timedelta | None
    how: TryEnding | State
    words: str
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The tries of a task in their order, the last one too. `begins_late`: earlier ones are not kept.

    `retried`: it waits since a person wanted that.
    """

    stretches: tuple[Stretch, ...]
    begins_late: bool
    retried: bool


def story(task: Task) -> Story:
    """What is known of its tries."""
    stretches = (*_earlier(task), *_last(task))
    next_attempt = task.attempt + 1
    return Story(
        stretches=stretches,
        begins_late=_begins_late(task),
        retried=task.state is State.WAITING and bool(task.tries) and _was_retried(task.tries[-1], next_attempt),
    )


def _begins_late(task: Task) -> bool:
    """Its first try is missing: there were too many, or a version that noted none has run it."""
    if not task.tries:
        return task.attempt > 1
    return task.tries[0].number > 1 or task.tries[0].attempt > 1


def _earlier(task: Task) -> Iterator[Stretch]:
    before: Try | None = None
    for one in task.tries:
        yield Stretch(
            waited=_since(task, before, one.started),
            retried=_was_retried(before, one.attempt),
            attempt=one.attempt,
            started=one.started,
            ended=one.ended,
            ran=max(one.ended - one.started, _NOTHING),
            how=one.ending,
            words=_WORDS[one.ending],
            error=one.error,
        )
        before = one


def _last(task: Task) -> Iterator[Stretch]:
    """The run that is none of its tries, if it has one."""
    before = task.tries[-1] if task.tries else None
    if task.started is None or (before is not None and before.run == task.run):
        return
    how = TryEnding.FAILED if task.state is State.WAITING else task.state  # a version that noted no tries has run it
    yield Stretch(
        waited=_since(task, before, task.started),
        retried=_was_retried(before, task.attempt),
        attempt=task.attempt,
        started=task.started,
        ended=task.ended,
        ran=None if task.ended is None else max(task.ended - task.started, _NOTHING),
        how=how,
        words=how,
    )


def _since(task: Task, before: Try | None, started: datetime) -> timedelta | None:
    if before is None and _begins_late(task):
        return None
    return max(started - (task.added if before is None else before.ended), _NOTHING)


def _was_retried(before: Try | None, attempt: int) -> bool:
    """Attempts are counted anew from there."""
    if before is None or before.ending is not TryEnding.FAILED:
        return before is not None and before.ending in (TryEnding.DONE, TryEnding.CANCELLED)
    return attempt <= before.attempt
