"""Knows functions by name, with their options and their arguments, and makes calls of them. Runs and stores nothing.

An undecorated function needs no entry: its name says where to import it from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import FunctionType
from typing import Any, TypeVar

from afterwards.annotations import Dependency
from afterwards.codec import Arguments
from afterwards.errors import CallTooLarge, CannotName, CannotStore
from afterwards.functions import Function, dependencies_of, is_async, parameters_of, place, same_again
from afterwards.ids import new_id
from afterwards.limit_keys import check_asked
from afterwards.links import Link
from afterwards.names import (
    BrokenModule,
    UnknownFunction,
    inwards,
    module_of,
    name_of,
    name_to_be,
    parted,
    resolve,
    standing,
    versioned,
)
from afterwards.options import CallOptions, KeyOptions, Options, key_options
from afterwards.partials import Args, Callee, unfold
from afterwards.quotas import Quota, of_function
from afterwards.results import Results
from afterwards.retries import Retry
from afterwards.tasks import Call, Task

F = TypeVar("F", bound=Callable[..., Any])

BROKEN_FOR = 60.0  # seconds before a module that failed to import is run again


class Registry:
    """The functions of one `Afterwards`. `retry` is the policy of those that have none; `max_bytes` bounds a call.

    `check` raises CannotSolve for dependencies that could not be solved in a task.
    """

    def __init__(self, *, retry: Retry, max_bytes: int, check: Callable[[Iterable[Dependency]], None]) -> None:
        self._retry = retry
        self._max_bytes = max_bytes
        self._check = check
        self._noted: dict[Callee, Options] = {}
        self._named: dict[str, Callee] = {}  # what has been noted
        self._functions: dict[Callee, Function] = {}  # what has been used
        self._broken: dict[str, float] = {}  # by name, until when
        self._queues: dict[str, Quota] = {}  # by name of the quota
        self._quotas: tuple[Quota, ...] | None = None  # until more is declared

    def noting(self, options: Options) -> Callable[[F], F]:
        """A decorator that notes these options, and returns the function itself."""

        def note(function: F) -> F:
            self.note(function, options)
            return function

        return note

    def note(self, function: Callee, options: Options) -> None:
        """Keep what a decorator says about `function`.

        Raises CannotName for a lambda or closure without a name of its own, ValueError when another function has it,
        CannotSolve for a dependency that needs a request.
        """
        function = getattr(function, "__func__", function)  # under @staticmethod and @classmethod
        name = options.name or name_to_be(function)
        if options.isolate:
            name_to_be(function)  # whatever it is stored under, another process has to import it
        names = (name, *options.aliases)
        for each in names:
            other = self._named.get(each, function)
            if not same_again(other, function):
                raise ValueError(
                    f"two functions are named {each!r}: {place(other)} and {place(function)}. Give one another "
                    "name=, and an alias to one only."
                )
        if dependencies := dependencies_of(function):
            self._check(dependencies)
        if options.limit_by is not None:
            check_asked(name, options.limit_by, parameters_of(function))
        self._noted[function] = options
        self._named.update(dict.fromkeys(names, function))
        self._functions.clear()  # what was used before it was noted
        self._quotas = None

    def note_queue(self, quota: Quota) -> None:
        """Keep what is declared about a queue. Raises ValueError when something else was declared before."""
        self._quotas = None
        other = self._queues.setdefault(quota.name, quota)
        if other != quota:
            raise ValueError(f"{quota.name} is declared twice, and not the same: {_shown(other)}, and {_shown(quota)}")

    def quotas(self) -> tuple[Quota, ...]:
        """All that is declared, of functions and of queues."""
        if self._quotas is None:
            noted = {name: self._noted[function] for name, function in self._named.items()}
            of_functions = [
                Quota(name=of_function(versioned(name, version)), most=options.limit, rate=options.rate)
                for name, options in noted.items()
                if options.limit is not None or options.rate is not None
                for version in range(1, options.version + 1)
            ]
            self._quotas = (*of_functions, *self._queues.values())
        return self._quotas

    def call(
        self,
        function: Callee,
        args: Args,
        kwargs: Mapping[str, object],
        options: CallOptions,
        link: Link | None = None,
    ) -> Call:
        """The call, ready to be stored; later changes of the arguments do not reach it. With a `link`, one of a chain.

        Raises CannotName, CannotStore, CallTooLarge, CannotSolve; TypeError for a call that Python itself would refuse;
        and ValueError for a step of a chain that has a key.
        """
        known = self._functions.get(function) if isinstance(function, FunctionType) else None  # most have been used
        if known is None:
            function, args, kwargs = unfold(function, args, kwargs)
            known = self._known(function)
        form, link = known.arguments_after(link, kwargs)
        arguments = form.write(args, kwargs)
        self._measure(known.name, arguments)
        if unsolved := form.unsolved(args, kwargs):
            self._check(unsolved.values())
        own = known.options
        its = key_options(own, options, args, kwargs) if link is None else _no_key(known.name, own, options)
        return Call(
            id=new_id(),
            name=known.name,
            arguments=arguments,
            queue=options.queue or own.queue,
            priority=own.priority if options.priority is None else options.priority,
            delay=options.delay,
            due=options.due,
            deadline=options.deadline,
            crashes=(options.retry or own.retry or self._retry).crashes,
            retry=options.retry,
            timeout=options.timeout,
            key=its.key,
            unique_for=its.unique_for,
            replace=its.replace,
            keeps=options.keeps,
            limit_key=known.limit_key(form, args, kwargs),
            link=link,
        )

    def find(self, name: str) -> Function:
        """The function of a stored task: by its decorator's name or alias, else imported.

        Raises UnknownFunction, also when it was stored by a newer version of the function than this process has.
        """
        plain, version = parted(name)
        noted = self._named.get(plain)
        function = resolve(plain) if noted is None else standing(noted)
        found = self._functions.get(function) or self._keep(function, found_as=plain)
        if version > found.options.version:
            raise UnknownFunction(
                f"{name} was stored by version {version} of {plain}, and this process has version "
                f"{found.options.version}: it waits for a worker with that version"
            )
        return found

    def knows(self, name: str) -> bool:
        """Whether `find` would find it. Made to be asked often: a module that fails to import is not run each time."""
        if time.monotonic() < self._broken.get(name, 0.0):
            return False
        try:
            self.find(name)
        except BrokenModule:
            self._broken[name] = time.monotonic() + BROKEN_FOR
            return False
        except UnknownFunction:
            return False
        return True

    def isolates(self, name: str) -> bool:
        """Whether the function of this name is to run in a process of its own."""
        function = self._named.get(parted(name)[0])
        return function is not None and self._noted[function].isolate

    def isolated_modules(self) -> tuple[str, ...]:
        """The modules that a process has to import for the isolated functions, each once."""
        return tuple(sorted({module_of(function) for function, options in self._noted.items() if options.isolate}))

    def retry_for(self, task: Task) -> Retry:
        """The policy of a task: its call's, else its function's, else the default."""
        if task.retry is not None:
            return task.retry
        try:
            return self.find(task.name).options.retry or self._retry
        except UnknownFunction:
            return self._retry

    def write_result(self, function: Function, value: object) -> str:
        """What the function returned, as JSON text. Raises CannotStore."""
        text = function.results.write(value)
        size = _bytes(text)
        if size > self._max_bytes:
            raise CannotStore(
                f"what {function.name} returned cannot be kept: it takes {size:,} bytes, and the limit is "
                f"{self._max_bytes:,} (max_bytes=). Keep the content elsewhere, and return an id or a path."
            )
        return text

    def with_result(self, task: Task) -> Task:
        """The task with what its function returned: by the function's annotation, if this code knows it."""
        if task.returned is None:
            return task
        read = self.find(task.name).results.read if self.knows(task.name) else json.loads
        return replace(task, result=read(task.returned))

    def name_noted(self, function: Callee) -> str:
        """The name that a decorator below gave, else the one it will have. Raises CannotName when it never will."""
        noted = (self._noted[inner] for inner in inwards(function) if inner in self._noted)
        return next((options.name for options in noted if options.name), None) or name_to_be(function)

    def stored_name(self, function: Callee) -> str:
        """The name under which tasks of this function are stored. Raises CannotName."""
        function, _, _ = unfold(function, (), {})
        return self._known(function).name

    def known_names(self) -> tuple[str, ...]:
        """The names of all decorated functions, as tasks that they can run may be stored."""
        return tuple(
            versioned(name, version)
            for name, function in self._named.items()
            for version in range(1, self._noted[function].version + 1)
        )

    def _known(self, function: Callee) -> Function:
        try:
            return self._functions[function]
        except KeyError:
            return self._keep(function)
        except TypeError:  # an object that cannot be hashed; if it had a name, its hash would be its own
            raise CannotName(f"{name_to_be(function)} cannot be hashed. Write a function that calls it.") from None

    def _keep(self, function: Callee, found_as: str | None = None) -> Function:
        try:
            name = self._name(function)
        except CannotName:
            if found_as is None:
                raise
            name = found_as
        options = next((self._noted[inner] for inner in inwards(function) if inner in self._noted), Options())
        name = versioned(name, options.version)
        made = Function(
            name=name,
            function=function,
            is_async=is_async(function),
            options=options,
            arguments=Arguments(function, name),
            results=Results(function, name),
        )
        self._functions[function] = made
        return made

    def _name(self, function: Callee) -> str:
        """The name that its decorator gave, also when another decorator stands above that one; else its own."""
        for inner in inwards(function):
            noted = self._noted.get(inner)
            if noted is not None and noted.name is not None and standing(inner) == function:
                return noted.name
        return name_of(function)

    def _measure(self, name: str, arguments: str) -> None:
        size = _bytes(arguments)
        if size > self._max_bytes:
            raise CallTooLarge(
                f"{name}: its arguments take {size:,} bytes, and the limit is {self._max_bytes:,} (max_bytes=). "
                "Keep the content elsewhere, and pass an id or a path."
            )


def _no_key(name: str, own: Options, options: CallOptions) -> KeyOptions:
    if own.key is not None or options.key is not None:
        raise ValueError(
            f"{name} has a key, and a step of a chain takes none: its twin might stand outside of the chain, or be "
            "done long ago. Leave out key=, or add the chain from a task that has the key"
        )
    return KeyOptions(None, None, replace=False)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _shown(quota: Quota) -> str:
    return f"limit={quota.most}, rate={quota.rate and f'{quota.rate.count} in {quota.rate.period}'}"
