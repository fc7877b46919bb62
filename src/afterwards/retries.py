"""When to try again, and when to give up. Pure: values in, values out; the clock is the store's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, cast

from afterwards.chance import draw

Duration = float | timedelta
LONGEST = timedelta(days=36_500)  # a hundred years: beyond that clocks overflow
ErrorKind = type[BaseException] | str


def as_duration(value: Duration, what: str) -> timedelta:
    """Seconds or a timedelta as a timedelta, never negative. Raises ValueError that names `what`."""
    if not _is_duration(value):
        raise ValueError(f"{what} takes seconds or a timedelta, not {value!r}")
    try:
        duration = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (ValueError, OverflowError) as error:  # NaN, infinity
        raise ValueError(f"{what} takes a finite number of seconds, not {value!r}") from error
    if duration < timedelta(0):
        raise ValueError(f"{what} cannot be negative: {value!r}")
    if duration > LONGEST:
        raise ValueError(f"{what} cannot be longer than a hundred years: {value!r}")
    return duration


def _is_duration(value: object) -> bool:
    """Asked at run time, since not every caller has his types checked."""
    return isinstance(value, int | float | timedelta) and not isinstance(value, bool)


def kind_of(error: type[BaseException]) -> str:
    """The stored name of an error's class: `ValueError`, `httpx.ReadTimeout`."""
    if error.__module__ in ("builtins", "__main__"):
        return error.__qualname__
    return f"{error.__module__}.{error.__qualname__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a task is tried, and how long it waits in between.

    `attempts` counts the first try. Before the second try the task waits `first` seconds, then `factor` times longer
    each time, never more than `longest`; every wait is stretched or shortened by up to the share `jitter`, so that
    what failed together does not come back together. `only` and `unless` name error classes (or their dotted names):
    an error outside `only`, or inside `unless`, ends the task at once. `crashes` is a budget of its own: when the
    whole process has died under the task for that many times it fails as poison; with 0, as with 1, the first time.

    Raises ValueError for numbers that make no sense.

    Example:
        `Retry(attempts=8, first=1.0, longest=600.0, unless=(ValueError,))`
    """

    never: ClassVar[Retry]

    attempts: int = 5
    crashes: int = 3
    first: Duration = 2.0
    factor: float = 2.0
    longest: Duration = 3600.0
    jitter: float = 0.1
    only: tuple[ErrorKind, ...] = ()
    unless: tuple[ErrorKind, ...] = ()

    def __post_init__(self) -> None:
        _check_number(self.attempts, "attempts", int)
        _check_number(self.crashes, "crashes", int)
        _check_number(self.factor, "factor", float)
        _check_number(self.jitter, "jitter", float)
        if self.attempts < 1:
            raise ValueError(f"attempts counts the first try, so it is at least 1, not {self.attempts!r}")
        if self.crashes < 0:
            raise ValueError(f"crashes cannot be negative: {self.crashes!r}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"factor is a number from 1 on, not {self.factor!r}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share between 0 and 1, not {self.jitter!r}")
        as_duration(self.first, "first")
        as_duration(self.longest, "longest")
        _check_kinds(self.only, "only")
        _check_kinds(self.unless, "unless")

    def after(self, error: BaseException, attempt: int, chance: Callable[[], float] = draw) -> timedelta | None:
        """How long to wait after attempt number `attempt` failed with `error`; None when that was the last."""
        if attempt >= self.attempts or not self._covers(error):
            return None
        return self._wait(attempt, chance())

    def _covers(self, error: BaseException) -> bool:
        kinds = {kind_of(ancestor) for ancestor in type(error).__mro__ if ancestor is not object}
        if self.only and kinds.isdisjoint(_names(self.only)):
            return False
        return kinds.isdisjoint(_names(self.unless))

    def _wait(self, attempt: int, chance: float) -> timedelta:
        first = as_duration(self.first, "first").total_seconds()
        longest = as_duration(self.longest, "longest").total_seconds()
        try:
            wait = min(first * float(self.factor) ** (attempt - 1), longest)
        except OverflowError:  # larger than any float, unless the first is nothing
            wait = longest if first else 0.0
        return timedelta(seconds=wait * (1 + self.jitter * (2 * chance - 1)))


def _check_number(value: object, what: str, kind: type[int] | type[float]) -> None:
    """Asked at run time: what is no number could be compared with none."""
    if isinstance(value, bool) or not isinstance(value, int | kind):
        raise ValueError(f"{what} is a {'whole ' if kind is int else ''}number, not {value!r}")


def _check_kinds(kinds: object, what: str) -> None:
    """Asked at run time: a forgotten comma makes a class or a text of what should be a tuple."""
    named = isinstance(kinds, tuple | list) and all(
        isinstance(kind, str) or (isinstance(kind, type) and issubclass(kind, BaseException))
        for kind in cast("tuple[object, ...]", kinds)
    )
    if not named:
        raise ValueError(f"{what} takes a tuple of error classes, such as (ValueError,), not {kinds!r}")


def _names(kinds: tuple[ErrorKind, ...]) -> set[str]:
    return {kind if isinstance(kind, str) else kind_of(kind) for kind in kinds}


Retry.never = Retry(attempts=1)


def retry_as_json(retry: Retry) -> dict[str, object]:
    """The stored form of a policy given at the call; error classes by their names."""
    return {
        "attempts": retry.attempts,
        "crashes": retry.crashes,
        "first": as_duration(retry.first, "first").total_seconds(),
        "factor": retry.factor,
        "longest": as_duration(retry.longest, "longest").total_seconds(),
        "jitter": retry.jitter,
        "only": sorted(_names(retry.only)),
        "unless": sorted(_names(retry.unless)),
    }


def retry_from_json(stored: dict[str, object]) -> Retry:
    """The policy that `retry_as_json` wrote. Fields of a newer version are passed over."""
    known = {name: stored[name] for name in Retry.__slots__ if name in stored}
    for name in ("only", "unless"):
        kinds = known.get(name)
        known[name] = tuple(cast("list[str]", kinds)) if isinstance(kinds, list) else ()
    return Retry(**known)  # type: ignore[arg-type]  # read back from our own JSON, checked in __post_init__


class Again(Exception):
    """Raise it in a task to be tried later without spending an attempt: `raise Again(after=30)`.

    `after` is seconds or a timedelta, a second unless told.
    """

    after = timedelta(seconds=1)

    def __init__(self, after: Duration = 1.0) -> None:
        super().__init__("to be tried again")
        self.after = as_duration(after, "after")


class Stop(Exception):
    """Raise it in a task to give up for good, whatever its Retry says: `raise Stop("the account is closed")`."""
