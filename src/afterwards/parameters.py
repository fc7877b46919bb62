"""A function's parameters: binds a call to them by name, and makes the call again from the names.

A default is not bound: when the task runs, the default of the code that then runs applies. Nor is a dependency that
the call leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Any, get_args

from afterwards.annotations import SOLVED, Dependency, is_dependency, is_former, type_of

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_NO_DEFAULTS = (Parameter.empty, SOLVED)
_THE_REST = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Parameters:
    """The parameters of `function` by this signature of it; `types` says what is stored for each.

    `former` is the one that gets the result of the step before, if there is one.
    """

    def __init__(self, function: Callable[..., object], signature: Signature) -> None:
        self._signature = signature
        self._called = getattr(function, "__qualname__", repr(function))
        self._parameters = signature.parameters
        self.types = {name: type_of(it, function) for name, it in self._parameters.items()}
        self.dependencies = {
            name: Dependency(of=self._called, parameter=it.replace(annotation=self.types[name]))
            for name, it in self._parameters.items()
            if is_dependency(it, self.types[name])
        }
        self.required = {
            name
            for name, it in self._parameters.items()
            if it.default in _NO_DEFAULTS and it.kind not in _THE_REST and name not in self.dependencies
        }
        self.former = self._former()
        self._names = self._parameters.keys()
        self._by_position = [name for name, it in self._parameters.items() if it.kind in _BY_POSITION]
        self._all_by_name = all(it.kind in _BY_NAME for it in self._parameters.values())

    def _former(self) -> str | None:
        """Raises TypeError, since a function whose parameters are not what they seem would get no result at all."""
        formers = [name for name in self._parameters if is_former(self.types[name])]
        for name, it in self._parameters.items():
            if it.kind in _THE_REST and any(map(is_former, get_args(self.types[name]))):
                raise TypeError(f"{self._called}() takes {it}: one parameter gets the result, a list after a group")
        if len(formers) > 1:
            raise TypeError(f"{self._called}() takes {' and '.join(formers)} as Former: one parameter gets the result")
        return formers[0] if formers else None

    def bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """What the call gives each parameter, in their order.

        Raises TypeError for a call that Python itself would refuse, dependencies left aside.
        """
        if self._all_by_name and len(args) <= len(self._by_position):  # what most calls are, and five times faster
            values: dict[str, object] = dict(zip(self._by_position, args, strict=False))
            if not kwargs and self.required <= values.keys():
                return values
            values.update(kwargs)
            if len(values) == len(args) + len(kwargs) and self.required <= values.keys() <= self._names:
                return {name: values[name] for name in self._parameters if name in values}
        return self._bind_by_signature(args, kwargs)

    def with_defaults(self, values: Mapping[str, object]) -> dict[str, object]:
        """The same, with the defaults of those parameters that a call leaves out; none for a dependency."""
        defaults = {
            name: it.default
            for name, it in self._parameters.items()
            if it.default not in _NO_DEFAULTS and name not in self.dependencies
        }
        return {**defaults, **values}

    def unsolved(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, Dependency]:
        """The dependencies that such a call leaves out, which are then solved where the task runs."""
        if not self.dependencies:
            return {}
        given = {*self._by_position[: len(args)], *kwargs}
        return {name: dependency for name, dependency in self.dependencies.items() if name not in given}

    def call(self, values: Mapping[str, Any]) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments of the call that gives each parameter its value: by position as far as they reach."""
        args: list[object] = []
        kwargs: dict[str, object] = {}
        all_so_far = True
        for name, parameter in self._parameters.items():
            if name not in values:
                all_so_far = False
            elif parameter.kind is Parameter.VAR_POSITIONAL:
                args.extend(values[name])
            elif parameter.kind is Parameter.VAR_KEYWORD:
                kwargs.update(values[name])
            elif parameter.kind in _BY_POSITION and all_so_far:
                args.append(values[name])
            else:
                kwargs[name] = values[name]
        return tuple(args), kwargs

    def _bind_by_signature(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        try:
            values: dict[str, Any] = self._signature.bind_partial(*args, **kwargs).arguments
            if not self.required <= values.keys():
                solved = dict.fromkeys(self.dependencies.keys() - values.keys())
                self._signature.bind(*args, **kwargs, **solved)  # says what is missing, but for a Former = SOLVED
                missing = [repr(name) for name in self._parameters if name in self.required - values.keys()]
                raise TypeError(f"missing a required argument: {', '.join(missing)}")
        except TypeError as error:
            raise TypeError(f"{self._called}() {error}") from None
        return {
            name: list(value) if self._parameters[name].kind is Parameter.VAR_POSITIONAL else value
            for name, value in values.items()
        }
