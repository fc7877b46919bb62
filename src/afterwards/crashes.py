"""What becomes of a task that a dead worker left running. Pure; the stores write what is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from afterwards.outcomes import crash_wait
from afterwards.tasks import Failure, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What becomes of it. `wait` is None when its place in the line stays."""

    state: State
    wait: timedelta | None
    crashes: int
    suspect: bool
    error: Failure | None = None


def after_crash(*, crashes: int, allowed: int, stop_asked: bool, was_leaving: bool) -> Return:
    """What follows for a task with `crashes` behind it, of which `allowed` end it.

    A worker that was leaving has not crashed.
    """
    allowed = max(1, allowed)
    crashes = crashes if was_leaving else crashes + 1
    suspect = crashes > 0 and crashes + 1 >= allowed
    if crashes >= allowed:
        return Return(state=State.FAILED, wait=None, crashes=crashes, suspect=suspect, error=_poison(crashes))
    if stop_asked:
        return Return(state=State.CANCELLED, wait=None, crashes=crashes, suspect=suspect)
    wait = None if was_leaving else crash_wait(crashes)
    return Return(state=State.WAITING, wait=wait, crashes=crashes, suspect=suspect)


def _poison(crashes: int) -> Failure:
    times = "once" if crashes == 1 else f"{crashes} times"
    message = f"the process that ran it died {times}, which is all it is allowed; `retry` tries it again"
    return Failure(kind="Crashed", message=message)
