"""Says in words why an argument cannot be stored, and what to do instead. Decides nothing."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Coroutine, Iterator, Mapping, Set
from types import FunctionType, MethodType
from typing import Any

from pydantic import ValidationError

from afterwards.errors import CannotStore
from afterwards.sameness import is_row

_DEPTH = 4


def refusal(called: str, parameter: str, value: object, annotation: object, back: object) -> CannotStore:
    """The error for an argument of the function `called`. `back` is what came back instead, or the error on the way."""
    reason = _known_reason(value) or _reason(value, annotation, back)
    return CannotStore(f"{called}: the argument {parameter!r} ({shown(type(value))}) cannot be stored: {reason}")


def shown(kind: type) -> str:
    """A class as its users write it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _reason(value: object, annotation: object, back: object) -> str:
    if isinstance(back, ValidationError):
        first = back.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"it would not be read back as {_said(annotation)}: {first['msg']}. {_way_out(annotation)}"
    if isinstance(back, Exception):
        return f"pydantic cannot write it: {back}. {_way_out(annotation)}"
    if type(value) is not type(back):
        return f"it would come back as {shown(type(back))}. {_way_out(annotation)}"
    return f"it would come back changed: {back!r:.200}. {_way_out(annotation)}"


def _said(annotation: object) -> str:
    return shown(annotation) if isinstance(annotation, type) else str(annotation)


def _way_out(annotation: object) -> str:
    if annotation is Any:
        return "Annotate the parameter with its type, or pass plain values (str, int, float, bool, None, list, dict)."
    return "Pass what the annotation says, change the annotation to what is passed, or pass an id."


def _known_reason(value: object, depth: int = _DEPTH) -> str | None:
    """The reason for a well-known kind of object, also when it is found inside of the value."""
    for matches, reason in _KNOWN:
        if matches(value):
            return reason
    if depth == 0:
        return None
    return next((found for part in _parts(value) if (found := _known_reason(part, depth - 1))), None)


def _parts(value: object) -> list[object]:
    match value:
        case Mapping():
            return [*value.keys(), *value.values()]
        case list() | tuple() | Set():
            return list(value)
        case _ if dataclasses.is_dataclass(value) or hasattr(type(value), "__pydantic_fields__"):
            return list(getattr(value, "__dict__", {}).values())
        case _:
            return []


def _named(*places: str) -> Callable[[object], bool]:
    """Matches objects of these classes and their subclasses, by `package:Class`, without importing them."""

    def matches(value: object) -> bool:
        return any(f"{base.__module__.partition('.')[0]}:{base.__name__}" in places for base in type(value).__mro__)

    return matches


def _is_surrogate(value: object) -> bool:
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


_KNOWN: list[tuple[Callable[[object], bool], str]] = [
    (
        _is_surrogate,
        "the text has half a character in it (a lone surrogate, as from a file name that is no UTF-8). "
        "Pass it as bytes (os.fsencode), or clean it.",
    ),
    (
        _named("pydantic:SecretStr", "pydantic:SecretBytes", "pydantic:Secret"),
        "a secret would be stored as stars. Pass the name or id under which the task can fetch it.",
    ),
    (
        lambda value: is_row(type(value)),
        "it is a row of the database, bound to its session. Pass its id, and load it in the task.",
    ),
    (
        _named(
            "sqlalchemy:Session",
            "sqlalchemy:AsyncSession",
            "sqlalchemy:Connection",
            "sqlalchemy:AsyncConnection",
            "sqlalchemy:Engine",
            "sqlalchemy:AsyncEngine",
            "sqlite3:Connection",
            "asyncpg:Connection",
            "psycopg:Connection",
            "psycopg:AsyncConnection",
            "redis:Redis",
        ),
        "an open connection cannot be kept. Open one inside the task.",
    ),
    (
        _named("starlette:HTTPConnection"),
        "a request lives only as long as its response. Pass the values of it that the task needs.",
    ),
    (
        _named("starlette:UploadFile", "fastapi:UploadFile", "tempfile:SpooledTemporaryFile"),
        "an upload is gone after the request. Save it and pass the path, or pass its content if that is small.",
    ),
    (
        lambda value: isinstance(value, io.IOBase),
        "an open file cannot be kept. Pass its path, or its content if that is small.",
    ),
    (
        lambda value: isinstance(value, FunctionType | MethodType),
        "a function cannot be an argument. Add that function as a task of its own, or pass a word that chooses it.",
    ),
    (lambda value: isinstance(value, Coroutine), "it has not been awaited. Await it, and pass its result."),
    (lambda value: isinstance(value, Iterator), "it can be read only once. Pass a list."),
]
