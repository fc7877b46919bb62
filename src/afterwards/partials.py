"""Takes a `functools.partial` apart: what is stored is the function inside, with all the arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

Callee = Callable[..., object]
Args = tuple[object, ...]

_PLACEHOLDER: object = getattr(functools, "Placeholder", object())  # Python 3.14


def unfold(function: Callee, args: Args, kwargs: Mapping[str, object]) -> tuple[Callee, Args, Mapping[str, object]]:
    """The function inside, however deep, with the partials' arguments merged into those of the call.

    Example:
        `unfold(partial(send, "a@b.c", cc=None), ("hello",), {})` is `(send, ("a@b.c", "hello"), {"cc": None})`
    """
    while isinstance(function, functools.partial):
        args = _filled(function.args, args)
        kwargs = {**function.keywords, **kwargs}
        function = function.func
    return function, args, kwargs


def _filled(own: Args, args: Args) -> Args:
    """A partial's arguments, then the call's; its placeholders take the call's first ones."""
    if not any(argument is _PLACEHOLDER for argument in own):
        return own + args
    given = iter(args)
    filled = tuple(next(given, argument) if argument is _PLACEHOLDER else argument for argument in own)
    return filled + tuple(given)
