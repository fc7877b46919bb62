"""Writes typed, named values as JSON and reads them back, by one pydantic schema for all of them.

A type for which pydantic has no schema (a Session, a Request) counts as no annotation, so that it matters only when
such a value is really passed. A model keeps its own configuration; everywhere else bytes are written as base64.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import typing_extensions
from pydantic import TypeAdapter
from pydantic_core import CoreConfig, SchemaSerializer, SchemaValidator

_CONFIG = CoreConfig(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
_NOT_SCHEMAS = frozenset({"default", "metadata", "config", "cls", "expected", "members"})


class Schema:
    """The schema of a dictionary with these names, all of which may be absent; `types` are those it could use."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self.types = types
        try:
            schema = _core_schema(types)
        except Exception:  # a type's own hooks may raise anything; which one is at fault is asked one by one
            self.types = {name: kind if _has_schema(kind) else Any for name, kind in types.items()}
            schema = _core_schema(self.types)
        self._serializer = SchemaSerializer(schema, _CONFIG)
        self._validator = SchemaValidator(schema, _CONFIG)

    def write(self, values: Mapping[str, object], *, exclude_unset: bool) -> bytes:
        """The values as JSON. Raises whatever a value's own hooks raise."""
        return self._serializer.to_json(
            values, exclude_unset=exclude_unset, by_alias=False, round_trip=True, warnings=False
        )

    def read(self, text: str | bytes) -> dict[str, Any]:
        """The values from JSON. Raises pydantic's ValidationError, also for a name that it does not know."""
        values: dict[str, Any] = self._validator.validate_json(text, by_alias=False, by_name=True)
        return values


def _has_schema(kind: Any) -> bool:
    try:
        _core_schema({"value": kind})
    except Exception:
        return False
    return True


def _core_schema(types: Mapping[str, Any]) -> Any:
    fields = {name: typing_extensions.NotRequired[kind] for name, kind in types.items()}
    typed_dict: Any = typing_extensions.TypedDict  # called as a function, since the fields are known only now
    made = typed_dict("Arguments", fields)
    made.__pydantic_config__ = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}
    schema = _adjusted(TypeAdapter(made).core_schema)
    own = schema["schema"] if schema["type"] == "definitions" else schema
    own["extra_behavior"] = "forbid"
    return schema


def _adjusted(node: Any, /) -> Any:
    """A copy of the schema with lists for what pydantic would read lazily (Iterable), so that it can be compared."""
    if isinstance(node, list):
        return [_adjusted(item) for item in cast("list[object]", node)]
    if type(node) is not dict:
        return node
    schema = cast("dict[str, Any]", node)
    adjusted = {key: value if key in _NOT_SCHEMAS else _adjusted(value) for key, value in schema.items()}
    if adjusted.get("type") == "generator":
        adjusted["type"] = "list"
    return adjusted
