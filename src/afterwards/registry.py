"""Knows functions by name, with their options and their arguments; makes calls of them. Runs nothing, stores nothing.

An undecorated function needs no entry: its name says where to import it from.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterwards.codec import Arguments
from afterwards.errors import CallTooLarge, CannotName
from afterwards.ids import new_id
from afterwards.names import Args, Callee, name_of, name_to_be, resolve, unfold
from afterwards.names import UnknownFunction as UnknownFunction
from afterwards.retries import Retry
from afterwards.tasks import DEFAULT_PRIORITY, DEFAULT_QUEUE, NO_DELAY, Call, Task

HIGHEST_PRIORITY = 9


def _check(queue: str | None, priority: int | None) -> None:
    """What a decorator and a call may both say; at run time, since not every caller has his types checked."""
    if queue is not None and not _is_word(queue):
        raise ValueError(f"queue is a name, and cannot be empty: {queue!r}")
    if priority is not None and (type(priority) is not int or not 0 <= priority <= HIGHEST_PRIORITY):
        raise ValueError(f"priority is a whole number from 0 to 9, higher first, not {priority!r}")


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a decorator noted about a function. `name` is the one it goes by, None for `module:qualname`."""

    name: str | None = None
    queue: str = DEFAULT_QUEUE
    priority: int = DEFAULT_PRIORITY
    retry: Retry | None = None

    def __post_init__(self) -> None:
        _check(self.queue, self.priority)
        if self.name is not None and not _is_word(self.name):
            raise ValueError(f"the name of a task cannot be empty: {self.name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What `using` said for a call; None leaves it to the function's own options. Raises ValueError in words."""

    delay: timedelta = NO_DELAY
    due: datetime | None = None
    queue: str | None = None
    priority: int | None = None
    retry: Retry | None = None
    ordered: bool = True

    def __post_init__(self) -> None:
        _check(self.queue, self.priority)
        if self.delay < NO_DELAY:
            raise ValueError(f"delay cannot be negative: {self.delay!r}")
        if self.due is not None and self.due.utcoffset() is None:
            raise ValueError(
                f"due needs a time zone, or nobody knows when {self.due.isoformat()} is: "
                "datetime.now(UTC) has one, and so has value.replace(tzinfo=ZoneInfo(...))"
            )
        if self.due is not None and self.delay:
            raise ValueError("delay and due both say when: give one of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function by its name. `is_async`: calling it returns something to await."""

    name: str
    function: Callee
    is_async: bool
    options: Options
    arguments: Arguments


class Registry:
    """The functions of one `Afterwards`. `retry` is the policy of those that have none; `max_bytes` bounds a call."""

    def __init__(self, *, retry: Retry, max_bytes: int) -> None:
        self._retry = retry
        self._max_bytes = max_bytes
        self._noted: dict[Callee, Options] = {}
        self._named: dict[str, Callee] = {}  # by the name that the decorator gave or that it found
        self._functions: dict[Callee, Function] = {}

    def note(self, function: Callee, options: Options) -> None:
        """Keep what a decorator says about `function`.

        Raises CannotName for a lambda or closure without a name of its own, ValueError when another function has it.
        """
        function = getattr(function, "__func__", function)  # under @staticmethod and @classmethod
        name = options.name or name_to_be(function)
        other = self._named.get(name, function)
        if not _same_again(other, function):
            raise ValueError(
                f"two functions are named {name!r}: {_place(other)} and {_place(function)}. Give one another name=."
            )
        self._noted[function], self._named[name] = options, function
        self._functions.clear()

    def call(self, function: Callee, args: Args, kwargs: Mapping[str, object], options: CallOptions) -> Call:
        """The call, ready to be stored. Nothing of it refers to the arguments any more.

        Raises CannotName, CannotStore, CallTooLarge; and TypeError for arguments that Python itself would refuse.
        """
        function, args, kwargs = unfold(function, args, kwargs)
        known = self._known(function)
        text = known.arguments.write(args, kwargs)
        self._measure(known.name, text)
        own = known.options
        retry = options.retry or own.retry or self._retry
        return Call(
            id=new_id(),
            name=known.name,
            arguments=text,
            queue=options.queue or own.queue,
            priority=own.priority if options.priority is None else options.priority,
            delay=options.delay,
            due=options.due,
            crashes=retry.crashes,
            retry=options.retry,
        )

    def find(self, name: str) -> Function:
        """The function of a stored task: by its decorator's name, else imported. Raises UnknownFunction."""
        named = self._named.get(name)
        if named is None or self._noted[named].name is None:
            named = resolve(name)
        return self._functions.get(named) or self._keep(name, named)

    def knows(self, name: str) -> bool:
        """Whether `find` would find it."""
        try:
            self.find(name)
        except UnknownFunction:
            return False
        return True

    def retry_for(self, task: Task) -> Retry:
        """The policy of a task: its call's, else its function's, else the default."""
        if task.retry is not None:
            return task.retry
        try:
            return self.find(task.name).options.retry or self._retry
        except UnknownFunction:
            return self._retry

    def known_names(self) -> tuple[str, ...]:
        """The names of all decorated functions."""
        return tuple(self._named)

    def _known(self, function: Callee) -> Function:
        try:
            return self._functions[function]
        except KeyError:
            return self._keep(self._name(function), function)
        except TypeError as error:  # cannot be hashed
            raise CannotName(name_to_be(function)) from error

    def _keep(self, name: str, function: Callee) -> Function:
        made = Function(
            name=name,
            function=function,
            is_async=_is_async(function),
            options=self._options(function),
            arguments=Arguments(function, name),
        )
        self._functions[function] = made
        return made

    def _name(self, function: Callee) -> str:
        noted = self._noted.get(function)
        return noted.name if noted is not None and noted.name is not None else name_of(function)

    def _options(self, function: Callee) -> Options:
        """Those of the function, or of what a decorator above ours wrapped."""
        return next((self._noted[inner] for inner in _inwards(function) if inner in self._noted), _NO_OPTIONS)

    def _measure(self, name: str, text: str) -> None:
        size = len(text) if text.isascii() else len(text.encode())
        if size > self._max_bytes:
            raise CallTooLarge(
                f"{name}: its arguments take {size:,} bytes, and the limit is {self._max_bytes:,} (max_bytes=). "
                "Store the content elsewhere, and pass an id or a path."
            )


_NO_OPTIONS = Options()


def _inwards(function: Callee) -> Iterator[Callee]:
    inner: Callee | None = getattr(function, "__func__", function)
    while inner is not None:
        yield inner
        inner = getattr(inner, "__wrapped__", None)


def _is_async(function: Callee) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _same_again(one: Callee, other: Callee) -> bool:
    """The same, or defined by the same lines again: a reload, a script that is also imported."""
    return one is other or ("<locals>" not in _place(one) and _place(one) == _place(other))


def _place(function: Callee) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = getattr(code, "co_filename", getattr(function, "__module__", ""))
    return f"{getattr(function, '__qualname__', function)} in {file}"
