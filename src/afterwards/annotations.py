"""What a function says about its parameters: signatures, and annotations as far as they can be resolved."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Never, TypeVar, get_args, get_origin, get_type_hints

import typing_extensions

from afterwards.errors import CannotName

Parameter = inspect.Parameter


class _Solved:
    """The default of a parameter that only a worker fills in; used as if it were the value, it says so."""

    def __getattr__(self, name: str) -> Never:
        raise AttributeError(
            f"there is no {name!r} here: this parameter is a dependency, solved when Afterwards runs the task. Pass it "
            "when you call the function yourself."
        )

    def __repr__(self) -> str:
        return "SOLVED"


SOLVED: Any = _Solved()
"""A default for a dependency of a task, so that type checkers let callers leave it out.

Example:
    `async def send_welcome(user_id: int, mailer: Annotated[Mailer, Depends(get_mailer)] = SOLVED) -> None: ...`
"""

T = TypeVar("T")


class _OfFormer:
    """Marks a parameter that gets the result of the step before."""

    def __repr__(self) -> str:
        return "FORMER"


Former = Annotated[T, _OfFormer()]
"""The annotation of a parameter that gets what the step before in a chain returned; of a group, a list of that.

Call the function yourself, or as the first step, and it is a parameter like any other. Type checkers let `call(...)`
leave it out where it is the first one, or has the default `SOLVED`.

Example:
    `def summarise(counts: Former[list[int]], title: str) -> None: ...`, added by `call(summarise, title="Today")`
"""

_AWAITED = (Awaitable, Coroutine)
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


def returned_type(function: Callable[..., object]) -> Any:
    """The type that `function` says it returns, awaited if it has to be; `Any` where it says none."""
    annotation = _signature(function, follow_wrapped=True).return_annotation
    if annotation is inspect.Signature.empty:
        return Any
    kind = _resolved(annotation, inspect.unwrap(function))
    return get_args(kind)[-1] if get_origin(kind) in _AWAITED else kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Dependency:
    """A parameter of the function `of` that is not given by the call but solved where the task runs."""

    of: str
    parameter: Parameter  # with its annotation resolved


def is_dependency(parameter: Parameter, kind: object) -> bool:
    """Whether FastAPI would solve it: told by the class of marker or type, so that FastAPI need not be installed."""
    if is_former(kind):
        return False
    if parameter.default is SOLVED:
        return True
    kind = _unaliased(kind)
    markers = (parameter.default, *getattr(kind, "__metadata__", ()))
    if any(is_depends(marker) for marker in markers):
        return True
    plain = get_args(kind)[0] if get_origin(kind) is typing.Annotated else kind
    return isinstance(plain, type) and _is_a(plain, "BackgroundTasks", "starlette.background")


def is_former(kind: object) -> bool:
    """Whether a parameter of this type gets the result of the step before; `Former[int] | None` too."""
    kind = _unaliased(kind)
    if get_origin(kind) in (typing.Union, types.UnionType):
        return any(map(is_former, get_args(kind)))
    return any(isinstance(marker, _OfFormer) for marker in getattr(kind, "__metadata__", ()))


def _unaliased(kind: Any) -> Any:
    """Of a `type` statement, or one of typing_extensions, what it stands for in the end."""
    while type(alias := kind if get_origin(kind) is None else get_origin(kind)).__name__ == "TypeAliasType":
        kind = alias.__value__
    return kind


def is_depends(marker: object) -> bool:
    """Whether it is what FastAPI's `Depends(...)` returns."""
    return _is_a(type(marker), "Depends", "fastapi.params")


def _is_a(kind: type, name: str, module: str) -> bool:
    return any(base.__name__ == name and base.__module__ == module for base in kind.__mro__)


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
