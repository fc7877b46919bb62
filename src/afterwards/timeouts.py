"""How long one run may take, counted while its own code runs. Decides nothing about what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from afterwards.errors import TimedOut
from afterwards.retries import Again, Stop

_PATIENCE = 5.0  # seconds that clean-up may take before a run is said to go on for all its cancellation


class Limit:
    """The timeout of one run, made in the asyncio task of that run; UNLIMITED where it has none.

    It counts between `go_on` and `hold`. When it is used up the run is cancelled, once; but not while it
    `is_in_thread`, where nothing stops it. `overran` is called for a run that goes on all the same.
    """

    timeout: timedelta | None

    def __init__(self, timeout: timedelta, *, is_in_thread: Callable[[], bool], overran: Callable[[], None]) -> None:
        self.timeout, self._is_in_thread, self._overran = timeout, is_in_thread, overran
        self._left = timeout.total_seconds()
        self._loop, self._run = asyncio.get_running_loop(), asyncio.current_task()
        self._clock: asyncio.TimerHandle | None = None
        self._is_over = self._has_cancelled = False
        self.expired = False

    def go_on(self) -> None:
        """Count from here."""
        if not self._is_over and not self.expired and self._clock is None:
            self._clock = self._loop.call_later(self._left, self._expire)

    def go_on_in_thread(self) -> None:
        """The same, called in a thread of the run."""
        if not self._is_over:
            self._loop.call_soon_threadsafe(self.go_on)

    def hold(self) -> None:
        """Count no further: it waits for something that is not its own."""
        if self._clock is not None and not self.expired:
            self._left = max(self._clock.when() - self._loop.time(), 0.0)
            self._stop_clock()

    def check(self) -> None:
        """Raise TimedOut between two steps of a run whose time is over."""
        if self.expired and not self._is_over:
            raise self.error()

    def end(self, raised: BaseException | None) -> BaseException | None:
        """The run's own code has ended, and raised that; returns how it counts. Nothing is cancelled any more.

        Whatever comes after the timeout is TimedOut, but for the words by which a task says itself what is to follow,
        and for a cancellation that came from elsewhere too.
        """
        self._stop_clock()
        run, self._run = self._run, None  # both know the run, which knows this: circles that would stay for a while
        self._is_over, self._overran = True, _nobody
        if self._has_cancelled and run is not None:
            run.uncancel()
        if not self.expired or isinstance(raised, Again | Stop) or _is_cancelled(run, raised):
            return raised
        return raised if isinstance(raised, TimedOut) else self.error(raised)

    def error(self, cause: BaseException | None = None) -> TimedOut:
        """What it counts as; `cause` shows where it was."""
        seconds = 0.0 if self.timeout is None else self.timeout.total_seconds()
        error = TimedOut(f"it was still running after its timeout of {seconds:g} s")
        error.__cause__ = cause
        return error

    def _expire(self) -> None:
        self._clock, self.expired = None, True
        if self._is_in_thread():
            self._overran()
        elif self._run is not None:
            self._has_cancelled = True
            self._run.cancel()
            self._clock = self._loop.call_later(_PATIENCE, self._overran)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class _Unlimited(Limit):
    """No timeout. It counts nothing and remembers nothing, so that all runs without one share it."""

    def __init__(self) -> None:
        self.timeout, self.expired = None, False

    def go_on(self) -> None:
        """Nothing."""

    def go_on_in_thread(self) -> None:
        """Nothing."""

    def hold(self) -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing."""

    def end(self, raised: BaseException | None) -> BaseException | None:
        """It counts as it is."""
        return raised


UNLIMITED: Limit = _Unlimited()


def _is_cancelled(run: asyncio.Task[Any] | None, raised: BaseException | None) -> bool:
    return isinstance(raised, asyncio.CancelledError) and run is not None and run.cancelling() > 0


def _nobody() -> None: ...
