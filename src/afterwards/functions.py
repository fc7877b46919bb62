"""A function that a task names, with all that is known of it. Runs nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from afterwards.annotations import Dependency, signatures
from afterwards.codec import Arguments
from afterwards.errors import CannotName
from afterwards.limit_keys import limit_key
from afterwards.links import Link
from afterwards.options import Options
from afterwards.parameters import Parameters
from afterwards.partials import Args, Callee
from afterwards.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function by its name. `is_async`: calling it returns something to await."""

    name: str
    function: Callee
    is_async: bool
    options: Options
    arguments: Arguments
    results: Results

    def arguments_after(self, link: Link | None, kwargs: Mapping[str, object]) -> tuple[Arguments, Link | None]:
        """The arguments of a call at this place in a chain, and the link that it has: it may take no result there."""
        if link is None or link.source is None:
            return self.arguments, link
        if self.arguments.former is None or self.arguments.former in kwargs:
            return self.arguments, replace(link, source=None)
        return self.arguments.without_former, link

    def limit_key(self, arguments: Arguments, args: Args, kwargs: Mapping[str, object]) -> str:
        """By what its quota counts such a call. Raises CannotStore."""
        limit_by = self.options.limit_by
        return "" if limit_by is None else limit_key(self.name, limit_by, arguments.values(args, kwargs))


def is_async(function: Callee) -> bool:
    """Whether calling it returns something to await, and so may be done in an event loop."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def dependencies_of(function: Callee) -> Iterable[Dependency]:
    """Those that it declares, as far as they can be seen now: an annotation may name what is defined further down."""
    try:
        shown = signatures(function)[0]
    except CannotName:  # said when the function is first added
        return ()
    return Parameters(function, shown).dependencies.values()


def parameters_of(function: Callee) -> Iterable[inspect.Parameter]:
    """What it takes, as far as that can be seen now."""
    try:
        return signatures(function)[0].parameters.values()
    except CannotName:  # said when the function is first added
        return [inspect.Parameter("anything", inspect.Parameter.VAR_KEYWORD)]


def same_again(one: Callee, other: Callee) -> bool:
    """The same, or defined by the same lines again: a reload, a script that is also imported."""
    return one is other or ("<locals>" not in place(one) and place(one) == place(other))


def place(function: Callee) -> str:
    """Where it is written, for messages."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = getattr(code, "co_filename", getattr(function, "__module__", ""))
    return f"{getattr(function, '__qualname__', function)} in {file}"
