"""A function's parameters: binds a call to them by name, and makes the call again from the names.

A default is not bound: when the task runs, the default of the code that then runs applies.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from typing_extensions import Unpack

from afterwards.errors import CannotStore

_Kind = inspect.Parameter
_BY_POSITION = (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD)
_PLAIN = (_Kind.POSITIONAL_OR_KEYWORD, _Kind.KEYWORD_ONLY)


class Parameters:
    """The parameters of one signature of `function`; `types` are their resolved annotations, `Any` where unknown."""

    def __init__(self, function: Callable[..., object], signature: inspect.Signature) -> None:
        parameters = signature.parameters.values()
        self._signature = signature
        self._called = getattr(function, "__qualname__", repr(function))
        self._names = frozenset(signature.parameters)
        self._positional = [it.name for it in parameters if it.kind in _BY_POSITION]
        self._rest = next((it.name for it in parameters if it.kind is _Kind.VAR_POSITIONAL), None)
        self._keywords = next((it.name for it in parameters if it.kind is _Kind.VAR_KEYWORD), None)
        self._plain = all(it.kind in _PLAIN for it in parameters)
        self.types = {it.name: _type_of(it, function) for it in parameters}
        self._solved = {it.name for it in parameters if _is_dependency(it.default, self.types[it.name])}
        self.required = {it.name for it in parameters if it.default is _Kind.empty and it.kind not in _VARIADIC}
        self._must_be_given = self.required | self._solved

    def bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """What the call gives each parameter. Raises TypeError for a call that Python would refuse too."""
        if self._plain and len(args) <= len(self._positional):
            values = dict(zip(self._positional, args, strict=False))
            if kwargs:
                values.update(kwargs)
            if self._must_be_given <= values.keys() <= self._names and len(values) == len(args) + len(kwargs):
                return values
        return self._bind_by_signature(args, kwargs)

    def call(self, values: Mapping[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments of the call that gives each parameter its value."""
        if len(values) == len(self._positional) and self._plain and self._names == values.keys():
            return tuple(values[name] for name in self._positional), {}
        return self._call_by_kind(values)

    def _call_by_kind(self, values: Mapping[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
        args: list[object] = []
        kwargs: dict[str, object] = {}
        left_out = False
        for name, parameter in self._signature.parameters.items():
            if name not in values:
                left_out = True
            elif name == self._rest:
                args.extend(values[name])  # type: ignore[arg-type]  # the schema says that it is a list
            elif name == self._keywords:
                kwargs.update(values[name])  # type: ignore[call-overload]  # the schema says that it is a dict
            elif parameter.kind in _BY_POSITION and not left_out:
                args.append(values[name])
            else:
                kwargs[name] = values[name]
        return tuple(args), kwargs

    def _bind_by_signature(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        try:
            values: dict[str, Any] = self._signature.bind_partial(*args, **kwargs).arguments
            self._refuse_dependencies(values)
            if not self.required <= values.keys():
                self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._called}() {error}") from None
        if self._rest in values:
            values[self._rest] = list(values[self._rest])
        return values

    def _refuse_dependencies(self, values: Mapping[str, object]) -> None:
        for name in self._solved - values.keys():
            raise CannotStore(
                f"{self._called}: the parameter {name!r} is a dependency, and dependencies of a task are not solved "
                "yet in this version. Pass it a plain value, or call the dependency inside the task."
            )


_VARIADIC = (_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD)


def signatures(function: Callable[..., object]) -> list[inspect.Signature]:
    """The signature that `function` shows, and after it, if a decorator wrapped it, the one it really has.

    Raises ValueError when it has none that can be read, as some functions written in C.
    """
    shown = _signature(function, follow_wrapped=True)
    real = _signature(function, follow_wrapped=False)
    return [shown] if shown.parameters.keys() == real.parameters.keys() else [shown, real]


def _signature(function: Callable[..., object], *, follow_wrapped: bool) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        import annotationlib  # only there

        lenient = annotationlib.Format.FORWARDREF
        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=lenient)
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def _type_of(parameter: inspect.Parameter, function: Callable[..., object]) -> Any:
    """The annotation, resolved; what cannot be resolved (TYPE_CHECKING, local classes) counts as none."""
    if parameter.annotation is _Kind.empty:
        kind: Any = Any
    else:
        kind = _resolved(parameter.annotation, inspect.unwrap(function))
    if parameter.kind is _Kind.VAR_POSITIONAL:
        return list[kind]
    if parameter.kind is _Kind.VAR_KEYWORD:
        return get_args(kind)[0] if get_origin(kind) is Unpack else dict[str, kind]
    return kind


def _resolved(annotation: object, function: Callable[..., object]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"value": annotation}
    names = getattr(function, "__globals__", {})
    own = {it.__name__: it for it in getattr(function, "__type_params__", ())}
    try:
        return get_type_hints(holder, names, own, include_extras=True)["value"]
    except Exception:  # an annotation may be any expression, and raise anything
        return Any


def _is_dependency(default: object, kind: object) -> bool:
    """Whether FastAPI would solve it: told by the marker's class, so that FastAPI need not be here."""
    markers = (default, *getattr(kind, "__metadata__", ()))
    return any(
        base.__name__ == "Depends" and base.__module__.startswith("fastapi.")
        for marker in markers
        for base in type(marker).__mro__
    )
