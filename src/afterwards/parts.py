"""What a value is made of, part by part, each with the words that lead to it: for errors, which must say where."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from typing import Any, cast

from afterwards.sameness import is_model, same

_DEEPEST = 8


def parts(value: Any) -> list[tuple[str, object]]:
    """The parts of a container, dataclass or model: `[0]`, `['key']`, `.field`. Nothing for anything else."""
    kind = cast("type[object]", type(value))
    if issubclass(kind, Mapping):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if issubclass(kind, list | tuple):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if issubclass(kind, Set):
        return [(f"{{{member!r:.40}}}", member) for member in value]
    if is_model(kind):
        held: dict[str, object] = dict(value.__dict__)
        held.update(value.__pydantic_extra__ or {})
        held.update(value.__pydantic_private__ or {})
        return [(f".{name}", part) for name, part in held.items()]
    if dataclasses.is_dataclass(kind):
        fields = [field.name for field in dataclasses.fields(kind)]
        return [(f".{name}", getattr(value, name)) for name in fields if hasattr(value, name)]
    return []


def first_difference(given: object, back: object, depth: int = _DEEPEST) -> tuple[str, object, object]:
    """Where the two part ways, and what stands there in each; as deep as that can be told."""
    if type(given) is type(back) and depth:
        other = dict(parts(back))
        for label, part in parts(given):
            if label in other and not same(part, other[label]):
                path, mine, its = first_difference(part, other[label], depth - 1)
                return label + path, mine, its
    return "", given, back
