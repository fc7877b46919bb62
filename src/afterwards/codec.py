"""Writes the arguments of a call as JSON by the function's own annotations, and reads them back. Never pickle.

What is written is read back at once and compared: only what comes back equal and of the same type is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import Signature

from pydantic import ValidationError

from afterwards.annotations import Dependency, signatures
from afterwards.errors import CannotStore
from afterwards.parameters import Parameters
from afterwards.refusals import refusal
from afterwards.sameness import same
from afterwards.schemas import Schema

_CURE = "Let the function take them again, then retry the task: it has all its tries"


class CannotRead(ValueError):
    """The stored arguments do not fit the function any more; the message says in what."""


class Arguments:
    """Writes and reads the arguments of one function, called `name` in errors. Safe from any thread.

    Compiled at the first use, when everything that its annotations name has been defined.
    """

    def __init__(self, function: Callable[..., object], name: str, *, leaving_out: str | None = None) -> None:
        self._function = function
        self._name = name
        self._leaving_out = leaving_out

    @property
    def former(self) -> str | None:
        """The parameter that gets the result of the step before, if there is one."""
        return self._forms[0].parameters.former

    @cached_property
    def without_former(self) -> Arguments:
        """The same for calls that leave that parameter to `fill`."""
        return Arguments(self._function, self._name, leaving_out=self.former)

    def fill(self, text: str, result: object) -> str:
        """The arguments with this result, a value of JSON's, for the parameter that was left out."""
        return json.dumps({**json.loads(text), self.former: result}, ensure_ascii=False)

    def write(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
        """The arguments of a call as JSON text; the same call gives the same text, however it passes them.

        Raises TypeError, at once, for a call that Python itself would refuse; CannotStore, naming the parameter, for
        what would not come back the same; CannotName for a function whose parameters cannot be read.
        """
        form, values = self._bound(args, kwargs)
        return form.write(values)

    def values(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """What such a call gives each parameter, with the defaults of those that it leaves out. Raises TypeError."""
        form, values = self._bound(args, kwargs)
        return form.parameters.with_defaults(values)

    def read(self, text: str) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments for the call. Raises CannotRead when what is stored does not fit the signature any more."""
        form, *otherwise = self._forms
        try:
            return form.read(text)
        except CannotRead:
            if not otherwise:
                raise
            return otherwise[0].read(text)

    def unsolved(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, Dependency]:
        """The dependencies, by the signature that the function shows, that a call with these arguments leaves out."""
        return self._forms[0].parameters.unsolved(args, kwargs)

    def _bound(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[_Form, dict[str, object]]:
        form = self._forms[0]
        try:
            return form, form.parameters.bind(args, kwargs)
        except TypeError:
            if len(self._forms) == 1:
                raise
            form = self._forms[1]
            return form, form.parameters.bind(args, kwargs)

    @cached_property
    def _forms(self) -> list[_Form]:
        """By the signature it shows, and by the one it has, for calls that a decorator in between completes."""
        shown = [_without(signature, self._leaving_out) for signature in signatures(self._function)]
        return [_Form(self._function, self._name, signature) for signature in shown]


class _Form:
    """The arguments by one signature."""

    def __init__(self, function: Callable[..., object], name: str, signature: Signature) -> None:
        self.parameters = Parameters(function, signature)
        self._schema = Schema(self.parameters.types)
        self._name = name

    def write(self, values: dict[str, object]) -> str:
        """As JSON text, if it comes back the same.

        A model's fields that were not set are left out at first, so that they are not set in what comes back either.
        Where that would change a value (an id from a default factory) everything is written.
        """
        for exclude_unset in (True, False):
            try:
                written = self._schema.write(values, exclude_unset=exclude_unset)
                back = self._schema.read(written)
            except Exception:  # which argument it was, and why, is asked one by one below
                continue
            if _all_same(values, back):
                return written.decode()
        raise self._refusal(values)

    def read(self, text: str) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments for the call."""
        try:
            values = self._schema.read(text)
        except ValidationError as error:
            raise CannotRead(
                f"the stored arguments do not fit {self._name} any more: {_said(error)}. {_CURE}"
            ) from None
        missing = self.parameters.required - values.keys()
        if missing:
            raise CannotRead(f"{self._name} now requires what was not stored: {', '.join(sorted(missing))}. {_CURE}")
        return self.parameters.call(values)

    def _refusal(self, values: dict[str, object]) -> CannotStore:
        for name, value in values.items():
            back = self._alone(name, value)
            if isinstance(back, Exception) or not same(value, back):
                refused = refusal(self._name, name, value, self._schema.types[name], back)
                if name in self.parameters.dependencies:
                    return CannotStore(f"{refused} Or leave it out: a dependency is solved where the task runs.")
                return refused
        return CannotStore(f"{self._name}: these arguments together would not come back from the store the same")

    def _alone(self, name: str, value: object) -> object:
        """What comes back for this argument, or the error on the way."""
        try:
            return self._schema.read(self._schema.write({name: value}, exclude_unset=False))[name]
        except Exception as error:
            return error


def _without(signature: Signature, name: str | None) -> Signature:
    return signature.replace(parameters=[it for it in signature.parameters.values() if it.name != name])


def _said(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, it['loc'])) or 'all of it'}: {it['msg']}" for it in problems)


def _all_same(given: dict[str, object], back: dict[str, object]) -> bool:
    return given.keys() == back.keys() and all(map(same, given.values(), map(back.__getitem__, given)))
