"""Writes what a function returned as JSON by the annotation of its return, and reads it back. Never pickle.

As with arguments, only what comes back equal and of the same type is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from afterwards.annotations import returned_type
from afterwards.errors import CannotStore
from afterwards.sameness import same
from afterwards.schemas import Schema
from afterwards.unstorable import known_reason

_BEFORE, _AFTER = '{"returned":', "}"


class Results:
    """What one function returns, called `name` in errors. Safe from any thread; compiled at the first use."""

    def __init__(self, function: Callable[..., object], name: str) -> None:
        self._function = function
        self._name = name

    def write(self, value: object) -> str:
        """As JSON text. Raises CannotStore for what would not come back the same."""
        for exclude_unset in (True, False):  # for the reason that arguments have
            try:
                written = self._schema.write({"returned": value}, exclude_unset=exclude_unset).decode()
                back = self._schema.read(written)["returned"]
            except Exception:  # its own hooks may raise anything; what can be said of it is said below
                continue
            if same(value, back):
                return written.removeprefix(_BEFORE).removesuffix(_AFTER)
        raise self._refusal(value)

    def read(self, text: str) -> Any:
        """The value; as plain JSON says it where that does not fit the annotation any more."""
        try:
            return self._schema.read(_BEFORE + text + _AFTER)["returned"]
        except Exception:
            return json.loads(text)

    @cached_property
    def _schema(self) -> Schema:
        return Schema({"returned": returned_type(self._function)})

    def _refusal(self, value: object) -> CannotStore:
        path, reason = known_reason(value) or ("", "")
        if reason:
            return CannotStore(f"what {self._name} returned{path} cannot be kept: {reason}")
        return CannotStore(
            f"what {self._name} returned cannot be kept: of type {type(value).__qualname__}, it would not come back "
            "the same. Annotate the return with a type that pydantic knows and that says this, or return plain values "
            "(str, int, float, bool, None, list, dict)."
        )
