"""Builds what writes a set of typed, named values as JSON and reads it back: one pydantic schema for all of them.

A type for which pydantic has no schema (a Session, a Request) counts as no annotation, so that it only matters when
such a value is really passed. A model keeps its own configuration; everything outside of models writes bytes as base64
and reads no field that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import typing_extensions
from pydantic import TypeAdapter
from pydantic_core import CoreConfig, SchemaSerializer, SchemaValidator

_CONFIG = CoreConfig(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
_KEPT = frozenset({"default", "metadata", "config", "cls", "expected", "members"})  # not schemas, whatever they hold
_OWN_CONFIG = frozenset({"model", "dataclass"})


def build(types: Mapping[str, Any]) -> tuple[SchemaSerializer, SchemaValidator]:
    """The writer and the reader of a dictionary with these names, all of which may be absent."""
    schema = _adjusted(_schema(types))
    return SchemaSerializer(schema, _CONFIG), SchemaValidator(schema, _CONFIG)


def _schema(types: Mapping[str, Any]) -> Any:
    try:
        return _schema_of(types)
    except Exception:  # a type's own hooks may raise anything; which one is at fault is asked one by one
        return _schema_of({name: kind if _has_schema(kind) else Any for name, kind in types.items()})


def _has_schema(kind: Any) -> bool:
    try:
        _schema_of({"value": kind})
    except Exception:
        return False
    return True


def _schema_of(types: Mapping[str, Any]) -> Any:
    fields = {name: typing_extensions.NotRequired[kind] for name, kind in types.items()}
    typed_dict: Any = typing_extensions.TypedDict  # called as a function, since the fields are known only now
    made = typed_dict("Arguments", fields)
    made.__pydantic_config__ = {"extra": "forbid"}
    return TypeAdapter(made).core_schema


def _adjusted(node: Any, /) -> Any:
    """The schema with bytes as base64 in every dictionary, and lists for what pydantic would read lazily."""
    if isinstance(node, list):
        return [_adjusted(item) for item in cast("list[object]", node)]
    if type(node) is not dict:
        return node
    schema = cast("dict[str, Any]", node)
    kind = schema.get("type")
    if kind in _OWN_CONFIG:
        return schema
    adjusted = {key: value if key in _KEPT else _adjusted(value) for key, value in schema.items()}
    if kind == "typed-dict":
        adjusted["config"] = {**schema.get("config", {}), **_CONFIG}
    if kind == "generator":
        adjusted["type"] = "list"
    return adjusted
