"""What the page says about each registration. Pure: a person and a task in, words out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from afterwards import State, Task
from afterwards.demo.people import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One registration: `state` for the colour, `words` for the eye, `error` what the last try met."""

    user: User
    time: str
    state: str
    words: str
    detail: str = ""
    error: str = ""
    task: Task | None = None


def row(user: User, task: Task | None, now: datetime) -> Row:
    """The row of one person; `task` is None when it has ended so long ago that it is not kept any more."""
    time = user.registered.replace(tzinfo=UTC).astimezone().strftime("%H:%M:%S")
    if task is None:
        return Row(user=user, time=time, state="past", words="Long ago")
    words, detail = _words(task, now)
    error = _error(task) if task.state in (State.WAITING, State.FAILED) else ""
    return Row(user=user, time=time, state=_colour(task), words=words, detail=detail, error=error, task=task)


def _colour(task: Task) -> str:
    return "retrying" if task.state is State.WAITING and task.attempt else task.state.value


def _words(task: Task, now: datetime) -> tuple[str, str]:
    match task.state:
        case State.WAITING if task.attempt:
            return f"Next try {_countdown(task.due, now)}", f"attempt {task.attempt} failed"
        case State.WAITING:
            return "Waiting", "stored, not yet tried"
        case State.RUNNING:
            return "Sending", f"attempt {task.attempt}"
        case State.DONE:
            return "Mail delivered", _delivered(task)
        case State.FAILED:
            return "Given up", f"after {_times(task.attempt, 'attempt')}"
        case State.CANCELLED:
            return "Cancelled", ""


def _countdown(due: datetime, now: datetime) -> str:
    seconds = (due - now).total_seconds()
    return "now" if seconds <= 0 else f"in {seconds:.0f} s" if seconds >= 1 else "in less than 1 s"


def _delivered(task: Task) -> str:
    if task.ended is None:
        return ""
    after = f"{_duration((task.ended - task.added).total_seconds())} after the registration"
    return f"{after}, at attempt {task.attempt}" if task.attempt > 1 else after


def _duration(seconds: float) -> str:
    return f"{max(seconds, 0) * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _error(task: Task) -> str:
    return "" if task.error is None else f"{task.error.kind}: {task.error.message}"
