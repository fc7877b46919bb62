"""What may be said about a task: on the function by a decorator, and at the call by `using`. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias, cast

from afterwards.names import parted
from afterwards.quotas import Rate
from afterwards.retries import Retry
from afterwards.tasks import DEFAULT_PRIORITY, DEFAULT_QUEUE, LONGEST_KEY, NO_DELAY, Keeps
from afterwards.transactions import Transaction, kind_of

HIGHEST_PRIORITY = 9
LATEST_VERSION = 1_000

KeyFunction: TypeAlias = Callable[..., str | None]
"""Makes the key of a call from its arguments; None for a call without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a decorator notes about a function. `name` is what it is stored under, None for `module:qualname`.

    `aliases` are older names of it, `version` that of the least code which can run its tasks. `key` is that of all its
    calls, or makes one from the arguments of each. `max_memory`, in bytes, is for an isolated function only. Raises
    ValueError in words.
    """

    name: str | None = None
    aliases: Sequence[str] = ()
    version: int = 1
    queue: str = DEFAULT_QUEUE
    priority: int = DEFAULT_PRIORITY
    retry: Retry | None = None
    timeout: timedelta | None = None
    isolate: bool = False
    max_memory: int | None = None
    key: str | KeyFunction | None = None
    unique_for: timedelta | None = None
    replace: bool = False
    keep_result: bool = False
    keep_logs: bool = False
    limit: int | None = None
    limit_by: Callable[..., object] | None = None
    rate: Rate | None = None

    def keeps_result(self, said: Keeps | None) -> bool:
        """Whether the result of a run is kept: as the call said it, else as this does."""
        return self.keep_result if said is None or said.result is None else said.result

    def keeps_logs(self, said: Keeps | None) -> bool:
        """Whether what a run logs is kept: as the call said it, else as this does."""
        return self.keep_logs if said is None or said.logs is None else said.logs

    def __post_init__(self) -> None:
        if self.max_memory is not None and not self.isolate:
            raise ValueError("max_memory needs isolate=True: only a process of its own can be measured and killed")
        if self.name is not None:
            _check_name(self.name, "name")
        _check_aliases(self.aliases)
        _check_version(self.version)
        check_word(self.queue, "queue")
        _check_priority(self.priority)
        check_retry(self.retry)
        if self.key is not None and not callable(self.key):
            check_key(self.key)
        _check_together(self.key, self.unique_for, replaces=self.replace)
        if self.limit_by is not None:
            self._check_limit_by()

    def _check_limit_by(self) -> None:
        if not callable(self.limit_by):
            raise TypeError(
                f"limit_by takes a function of the task's arguments, such as lambda user_id: user_id, not "
                f"{self.limit_by!r}"
            )
        if self.limit is None and self.rate is None:
            raise ValueError("limit_by says by what a limit or a rate is counted: give limit= or rate= too")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What `using` says for a call; None leaves it to the function's own options.

    `delay` counts from the moment of storing; `due` is an instant with its time zone; not both. After `deadline`, an
    instant or how long after the storing, the task is not started. `ordered=False` frees
    the task from the order of its request; in a `transaction` of the user's it always stands outside that order.
    `unique_for` and `replace` are about the `key`, which may be the function's own.

    Raises ValueError in words, and TypeError for what is no transaction.
    """

    delay: timedelta = NO_DELAY
    due: datetime | None = None
    deadline: datetime | timedelta | None = None
    queue: str | None = None
    priority: int | None = None
    retry: Retry | None = None
    timeout: timedelta | None = None
    ordered: bool = True
    keep_result: bool | None = None
    keep_logs: bool | None = None
    transaction: Transaction | None = None
    key: str | None = None
    unique_for: timedelta | None = None
    replace: bool | None = None

    def __post_init__(self) -> None:
        if self.delay < NO_DELAY:
            raise ValueError(f"delay cannot be negative: {self.delay!r}")
        if self.due is not None:
            _check_due(self.due, self.delay)
        if self.deadline is not None:
            _check_deadline(self.deadline, self.due, self.delay)
        if self.queue is not None:
            check_word(self.queue, "queue")
        if self.priority is not None:
            _check_priority(self.priority)
        check_retry(self.retry)
        check_flag(self.ordered, "ordered")
        for what in ("keep_result", "keep_logs", "replace"):
            if (said := getattr(self, what)) is not None:
                check_flag(said, what)
        if self.transaction is not None:
            kind_of(self.transaction)
        if self.key is not None:
            check_key(self.key)

    @property
    def keeps(self) -> Keeps | None:
        """What was said of keeping, if anything was."""
        if self.keep_result is None and self.keep_logs is None:
            return None
        return Keeps(result=self.keep_result, logs=self.keep_logs)


class KeyOptions(NamedTuple):
    """What is said of a call's key, by its function and by itself."""

    key: str | None
    unique_for: timedelta | None
    replace: bool


def key_options(own: Options, options: CallOptions, args: Sequence[object], kwargs: Mapping[str, object]) -> KeyOptions:
    """What is said at the call goes before what is said of the function. Raises ValueError in words."""
    key = options.key or (own.key(*args, **kwargs) if callable(own.key) else own.key)
    if key is not None:
        check_key(key)
    elif options.key is None and callable(own.key):
        return KeyOptions(None, None, replace=False)
    replaces = own.replace if options.replace is None else options.replace
    unique_for = options.unique_for or own.unique_for
    _check_together(key, unique_for, replaces=replaces)
    if replaces and options.transaction is not None:
        raise ValueError(
            "replace changes a task that others see, which cannot wait for a transaction to commit: leave out "
            "transaction= and add after the commit, or leave out replace="
        )
    return KeyOptions(key, unique_for, replaces)


def check_key(value: object) -> None:
    """Raise ValueError unless it is a text that can be a key."""
    if not isinstance(value, str):
        hint = "; a function of the arguments belongs on the function, @afterwards.task(key=...)"
        raise ValueError(
            f'key takes a text, such as key=f"welcome:{{user_id}}", not {value!r}{hint if callable(value) else ""}'
        )
    check_word(value, "key")


def _check_together(key: object, unique_for: timedelta | None, *, replaces: object) -> None:
    check_flag(replaces, "replace")
    if key is None and (unique_for is not None or replaces):
        what = "replace" if replaces else "unique_for"
        raise ValueError(f"{what} says something about a key, and there is none: give key= as well")
    if replaces and unique_for is not None:
        raise ValueError(
            "replace and unique_for do not go together: after the end, the one wants the newest call to run, the other "
            "wants it not to"
        )


def check_flag(value: object, what: str) -> None:
    """Raise ValueError unless it is True or False, and nothing that only counts as one of them."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} is True or False, not {value!r}")


def _check_due(due: object, delay: timedelta) -> None:
    if not isinstance(due, datetime):
        raise ValueError(f"due takes a datetime, not {due!r}; for seconds from now there is delay")
    check_instant(due, "due")
    if delay:
        raise ValueError("delay and due both say when the task is due: give one of them")


def _check_deadline(deadline: datetime | timedelta, due: datetime | None, delay: timedelta) -> None:
    if isinstance(deadline, datetime):
        check_instant(deadline, "deadline")
        never = due is not None and due > deadline
    else:
        never = delay >= deadline
    if never:
        raise ValueError(f"the deadline {deadline} is before the task is due, so that it could never start")


def check_instant(instant: object, what: str) -> None:
    """Raise ValueError unless it is a moment that everybody understands alike."""
    if not isinstance(instant, datetime):
        raise ValueError(f"{what} takes a datetime, not {instant!r}")
    if instant.utcoffset() is None:
        raise ValueError(
            f"{what} needs a time zone, or nobody knows when {instant.isoformat()} is: take it from datetime.now(UTC), "
            'or give it one with .replace(tzinfo=ZoneInfo("Europe/Berlin"))'
        )
    try:
        instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{what} is beyond what clocks can count: {instant!r}") from None


def _check_name(value: object, what: str) -> None:
    check_word(value, what)
    if parted(str(value))[1] != 1:
        raise ValueError(f"{what} ends in a version, which version= writes behind it: {value!r}")


def _check_aliases(value: object) -> None:
    if not isinstance(value, tuple | list):
        raise ValueError(f"aliases takes a tuple of older names, such as ('old.module:name',), not {value!r}")
    for each in cast("tuple[object, ...]", value):
        _check_name(each, "aliases")


def _check_version(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LATEST_VERSION:
        raise ValueError(f"version is a whole number from 1 to {LATEST_VERSION}, not {value!r}")


def check_word(value: object, what: str) -> None:
    """Raise ValueError unless it is a name that every store can keep; not every caller has his types checked."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what} takes a name, and cannot be empty: {value!r}")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(
            f"{what} holds a NUL character or half of one (a lone surrogate), which no store can keep: {value!r:.100}"
        )
    if len(value) > LONGEST_KEY:
        raise ValueError(f"{what} has at most {LONGEST_KEY} characters, not {len(value)}: take a hash of it")


def _check_priority(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= HIGHEST_PRIORITY:
        raise ValueError(f"priority is a whole number from 0 to {HIGHEST_PRIORITY}, higher first, not {value!r}")


def check_retry(value: object) -> None:
    """Raise ValueError unless it is a policy, or None."""
    if value is not None and not isinstance(value, Retry):
        raise ValueError(f"retry takes a Retry, such as Retry(attempts=3) or Retry.never, not {value!r}")
