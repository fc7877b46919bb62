"""What a function says about its parameters: signatures, and annotations as far as they can be resolved."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

import typing_extensions

from afterwards.errors import CannotName

Parameter = inspect.Parameter

_UNPACK = (typing.Unpack, typing_extensions.Unpack)  # two things before Python 3.12


def signatures(function: Callable[..., object]) -> list[inspect.Signature]:
    """The signature that `function` shows, and after it, if a decorator wrapped it, the one that it really has.

    Raises CannotName when there is none to be read, as for some functions written in C.
    """
    try:
        shown = _signature(function, follow_wrapped=True)
    except (TypeError, ValueError) as error:
        raise CannotName(
            f"{function!r:.100} does not say what its parameters are: {error}. Write a function that calls it."
        ) from error
    try:
        real = _signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # what wraps it is written in C, as functools.lru_cache is, and passes all on
        return [shown]
    return [shown] if shown.parameters.keys() == real.parameters.keys() else [shown, real]


def type_of(parameter: Parameter, function: Callable[..., object]) -> Any:
    """The type of what is stored for a parameter of `function`: a list for `*args`, a dictionary for `**kwargs`.

    `Any` for no annotation, and for one that cannot be resolved at run time (TYPE_CHECKING, a local class).
    """
    kind: Any = Any
    if parameter.annotation is not Parameter.empty:
        kind = _resolved(parameter.annotation, inspect.unwrap(function))
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return list[kind]
    if parameter.kind is Parameter.VAR_KEYWORD:
        return get_args(kind)[0] if get_origin(kind) in _UNPACK else dict[str, kind]
    return kind


def is_dependency(parameter: Parameter, kind: object) -> bool:
    """Whether FastAPI would solve it: told by the marker's class, so that FastAPI need not be installed."""
    markers = (parameter.default, *getattr(kind, "__metadata__", ()))
    return any(
        base.__name__ == "Depends" and base.__module__.startswith("fastapi.")
        for marker in markers
        for base in type(marker).__mro__
    )


def _signature(function: Callable[..., object], *, follow_wrapped: bool) -> inspect.Signature:
    if sys.version_info >= (3, 14):  # where an annotation that cannot be resolved would raise here
        import annotationlib

        lenient = annotationlib.Format.FORWARDREF
        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=lenient)
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def _resolved(annotation: object, function: Callable[..., object]) -> Any:
    """One annotation by itself, so that one that cannot be resolved does not cost the others."""

    def holder() -> None: ...

    holder.__annotations__ = {"value": annotation}
    names = getattr(function, "__globals__", {})
    own = {it.__name__: it for it in getattr(function, "__type_params__", ())}
    try:
        return get_type_hints(holder, names, own, include_extras=True)["value"]
    except Exception:  # an annotation may be any expression, and raise anything
        return Any
