"""Writes the arguments of a call as JSON by the function's own annotations, and reads them back. Never pickle.

What is written is read back at once and compared: only what comes back equal and of the same type is stored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from afterwards import schemas
from afterwards.annotations import signatures
from afterwards.errors import CannotStore
from afterwards.parameters import Parameters
from afterwards.refusals import refusal
from afterwards.sameness import same


class CannotRead(ValueError):
    """The stored arguments do not fit the function any more; the message says in what."""


class Arguments:
    """Writes and reads the arguments of one function, called `name` in errors. Safe from any thread.

    Compiled at the first use, when all that its annotations name has been defined.
    """

    def __init__(self, function: Callable[..., object], name: str) -> None:
        self._function = function
        self._name = name

    def write(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
        """The arguments of a call as JSON text.

        Raises TypeError, at once, for a call that Python itself would refuse, and CannotStore, naming the parameter,
        for what would not come back the same.
        """
        shown, *real = self._forms
        try:
            values = shown.parameters.bind(args, kwargs)
        except TypeError:
            if not real:
                raise
            shown, values = real[0], real[0].parameters.bind(args, kwargs)
        return shown.write(values)

    def read(self, text: str) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments for the call. Raises CannotRead when what is stored does not fit the signature any more."""
        shown, *real = self._forms
        try:
            return shown.read(text)
        except CannotRead:
            if not real:
                raise
            return real[0].read(text)

    @cached_property
    def _forms(self) -> list[_Form]:
        """By the signature it shows, and by the one it has, if a decorator in between takes other arguments."""
        return [_Form(self._function, self._name, signature) for signature in signatures(self._function)]


class _Form:
    """The arguments by one signature."""

    def __init__(self, function: Callable[..., object], name: str, signature: inspect.Signature) -> None:
        self.parameters = Parameters(function, signature)
        self._name = name
        self._serializer, self._validator = schemas.build(self.parameters.types)

    def write(self, values: dict[str, object]) -> str:
        """As JSON text, if it comes back the same.

        Fields of models that were not set are left out at first, so that they are not set either in what comes back;
        where that changes a value (an id that a default factory makes), everything is written.
        """
        for exclude_unset in (True, False):
            try:
                text = self._dumped(values, exclude_unset=exclude_unset)
                back = self._loaded(text)
            except Exception:  # which argument it was, and why, is asked one by one below
                continue
            if _all_same(values, back):
                return text.decode()
        raise self._refusal(values)

    def read(self, text: str) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments for the call."""
        try:
            values = self._loaded(text)
        except ValidationError as error:
            raise CannotRead(f"the stored arguments do not fit {self._name} any more: {error}") from error
        missing = self.parameters.required - values.keys()
        if missing:
            raise CannotRead(f"{self._name} now requires what was not stored: {', '.join(sorted(missing))}")
        return self.parameters.call(values)

    def _dumped(self, values: dict[str, object], *, exclude_unset: bool) -> bytes:
        return self._serializer.to_json(
            values, exclude_unset=exclude_unset, by_alias=False, round_trip=True, warnings=False
        )

    def _loaded(self, text: str | bytes) -> dict[str, Any]:
        loaded: dict[str, Any] = self._validator.validate_json(text, by_alias=False, by_name=True)
        return loaded

    def _refusal(self, values: dict[str, object]) -> CannotStore:
        for name, value in values.items():
            back = self._alone(name, value)
            if isinstance(back, Exception) or not same(value, back):
                return refusal(self._name, name, value, self.parameters.types[name], back)
        return CannotStore(f"{self._name}: these arguments would not come back from the store the same")

    def _alone(self, name: str, value: object) -> object:
        """What comes back for this argument, or the error on the way."""
        try:
            return self._loaded(self._dumped({name: value}, exclude_unset=False))[name]
        except Exception as error:
            return error


def _all_same(given: dict[str, object], back: dict[str, object]) -> bool:
    return given.keys() == back.keys() and all(same(value, back[name]) for name, value in given.items())
