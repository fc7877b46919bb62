"""Takes a `functools.partial` apart: what is stored is the function inside, with all the arguments.

Refuses what could never run as a task, wherever it is run.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping

from afterwards.errors import CannotName

Callee = Callable[..., object]
Args = tuple[object, ...]

_PLACEHOLDER: object = getattr(functools, "Placeholder", object())  # Python 3.14


def unfold(function: Callee, args: Args, kwargs: Mapping[str, object]) -> tuple[Callee, Args, Mapping[str, object]]:
    """The function inside, however deep, with the partials' arguments merged into those of the call.

    Raises TypeError for what is no function, and CannotName for one whose body a call would not run.

    Example:
        `unfold(partial(send, "a@b.c", cc=None), ("hello",), {})` is `(send, ("a@b.c", "hello"), {"cc": None})`
    """
    while isinstance(function, functools.partial):
        args = _filled(function.args, args)
        kwargs = {**function.keywords, **kwargs}
        function = function.func
    if not callable(function):
        raise TypeError(_no_function(function))
    refuse_unrun(function)
    return function, args, kwargs


def refuse_unrun(function: Callee) -> None:
    """Raises CannotName for a generator function: calling it makes a generator, and runs nothing of its body.

    One that a decorator has made into another function may well be run by that.
    """
    function = getattr(function, "__func__", function)
    name = getattr(function, "__qualname__", "a function")
    if _yields(function):
        raise CannotName(
            f"{name} has a `yield` in it, so that calling it runs nothing of its body: no task would ever do anything. "
            "Write a function without `yield` that loops over it, and add that."
        )
    if getattr(function, "__globals__", None) is vars(contextlib) and _yields(getattr(function, "__wrapped__", None)):
        raise CannotName(
            f"{name} is a context manager: calling it runs nothing of its body, only entering it does. "
            "Write a function that enters it by `with` or `async with`, and add that."
        )


def _yields(function: object) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _no_function(given: object) -> str:
    """In words; a coroutine is closed, so that Python does not say on top that it was never awaited."""
    if isinstance(given, Coroutine):
        name = getattr(given, "__name__", "send")  # pyright: ignore[reportUnknownArgumentType]  # of what, is all the same
        given.close()
        return (
            f"a function is wanted, and {name}(...) has been called already: write add_task({name}, ...), with its "
            "arguments behind it"
        )
    if given is None:
        return (
            "a function is wanted, not None: after add_task(send(x)) send has been called already, and this is what it "
            "returned. Write add_task(send, x)"
        )
    return f"a function is wanted, not {given!r:.100} of type {type(given).__qualname__}: write add_task(send, x)"


def _filled(own: Args, args: Args) -> Args:
    """A partial's arguments, then the call's; its placeholders take the call's first ones."""
    if not any(argument is _PLACEHOLDER for argument in own):
        return own + args
    given = iter(args)
    filled = tuple(next(given, argument) if argument is _PLACEHOLDER else argument for argument in own)
    return filled + tuple(given)
