"""How a run ended, and which state follows. Pure: the runner decides here, the stores write what is decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from afterwards.retries import Again, Retry, Stop
from afterwards.tasks import NO_DELAY, Call, Claim, Failure, Hold, LogLine, Progress, State


class Ending(StrEnum):
    """The ways in which a run can end while its worker lives."""

    DONE = "done"
    FAILED = "failed"  # for good
    RETRIED = "retried"  # failed, to be tried again
    AGAIN = "again"  # asked for a later try; no attempt spent
    CANCELLED = "cancelled"
    RETURNED = "returned"  # given back untried or interrupted by a stop; no attempt spent
    UNKNOWN = "unknown"  # this worker does not know the function; no attempt spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one run ended.

    `delay` is how long it then waits, `took` how long it ran; `result` is JSON text; `calls` are stored with it. With
    a `progress` that is what the task keeps, else what was noted last; with `logs` those, else those of an earlier run.
    `settled` says that a transaction of the task's own has written it already.
    """

    claim: Claim
    ending: Ending
    delay: timedelta = NO_DELAY
    took: timedelta = NO_DELAY
    error: Failure | None = None
    result: str | None = None
    progress: Progress | None = None
    logs: tuple[LogLine, ...] | None = None
    calls: tuple[Call, ...] = ()
    settled: bool = False

    @property
    def state(self) -> State:
        """The state that follows."""
        match self.ending:
            case Ending.DONE:
                return State.DONE
            case Ending.FAILED:
                return State.FAILED
            case Ending.CANCELLED:
                return State.CANCELLED
            case Ending.RETRIED | Ending.AGAIN | Ending.RETURNED | Ending.UNKNOWN:
                return State.WAITING
            case _ as never:
                assert_never(never)

    @property
    def held(self) -> Hold | None:
        """What holds it back while it waits."""
        return Hold.UNKNOWN if self.ending is Ending.UNKNOWN else None

    @property
    def gives_attempt_back(self) -> bool:
        """The try does not count."""
        return self.ending in (Ending.AGAIN, Ending.RETURNED, Ending.UNKNOWN)

    @property
    def frees_followers(self) -> bool:
        """Its turn in its request's line is over, so that the next may start."""
        return self.ending not in (Ending.RETURNED, Ending.UNKNOWN)


def done(
    claim: Claim,
    *,
    took: timedelta = NO_DELAY,
    result: str | None = None,
    calls: tuple[Call, ...] = (),
    settled: bool = False,
) -> Outcome:
    """The function returned."""
    return Outcome(claim=claim, ending=Ending.DONE, took=took, result=result, calls=calls, settled=settled)


def raised(
    claim: Claim, error: BaseException, failure: Failure, *, attempt: int, retry: Retry, took: timedelta = NO_DELAY
) -> Outcome:
    """The function raised `error`, which is kept as `failure`; what follows is for `retry` to say."""
    if isinstance(error, Again):
        return Outcome(claim=claim, ending=Ending.AGAIN, delay=error.after, took=took)
    wait = None if isinstance(error, Stop) else retry.after(error, attempt)
    if wait is None:
        return Outcome(claim=claim, ending=Ending.FAILED, error=failure, took=took)
    return Outcome(claim=claim, ending=Ending.RETRIED, delay=wait, error=failure, took=took)


def returned(claim: Claim, delay: timedelta = NO_DELAY) -> Outcome:
    """Given back to the store as if it had never been claimed, to wait `delay`."""
    return Outcome(claim=claim, ending=Ending.RETURNED, delay=delay)


def unknown(claim: Claim, failure: Failure) -> Outcome:
    """This worker cannot find the function; `failure` keeps why."""
    return Outcome(claim=claim, ending=Ending.UNKNOWN, error=failure)


def failed(claim: Claim, failure: Failure) -> Outcome:
    """For good: trying again cannot help, such as when the stored arguments no longer fit the function."""
    return Outcome(claim=claim, ending=Ending.FAILED, error=failure)


def cancelled(claim: Claim) -> Outcome:
    """A person asked it to stop, and it did."""
    return Outcome(claim=claim, ending=Ending.CANCELLED)


def crash_wait(crashes: int) -> timedelta:
    """How long a task waits after its `crashes`-th dead process: not at all at first, then ever longer."""
    return NO_DELAY if crashes <= 1 else timedelta(seconds=min(2 ** min(crashes - 2, 6), 60))
