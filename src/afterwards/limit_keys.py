"""By what the quota of a function is counted: calls `limit_by` with the arguments it asks for. Stores nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from uuid import UUID

from afterwards.errors import CannotStore

LONGEST = 500  # characters: a key stands in indexes

_THE_REST = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def check_asked(name: str, limit_by: Callable[..., object], parameters: Iterable[Parameter]) -> None:
    """Raise TypeError if `limit_by` asks for what the function called `name` has not."""
    known = list(parameters)
    if any(it.kind is Parameter.VAR_KEYWORD for it in known):
        return
    names = {it.name for it in known}
    for it in _asked(limit_by):
        if it.kind is Parameter.POSITIONAL_ONLY or it.kind is Parameter.VAR_POSITIONAL:
            raise TypeError(f"limit_by of {name} gets its arguments by name, and cannot take {it} by position")
        if it.kind is not Parameter.VAR_KEYWORD and it.default is Parameter.empty and it.name not in names:
            raise TypeError(f"limit_by of {name} asks for {it.name!r}, which is no parameter of that function")


def limit_key(name: str, limit_by: Callable[..., object], values: Mapping[str, object]) -> str:
    """The key of a call that gives the parameters these values. Raises CannotStore, in words."""
    asked = _asked(limit_by)
    takes_all = any(it.kind is Parameter.VAR_KEYWORD for it in asked)
    wanted = values if takes_all else {it.name: values[it.name] for it in asked if it.name in values}
    missing = [it.name for it in asked if it.kind not in _THE_REST and it.default is it.empty and it.name not in values]
    if missing:
        raise CannotStore(
            f"limit_by of {name} asks for {', '.join(missing)}, which this call does not give: it is known only where "
            "the task runs"
        )
    try:
        key = limit_by(**wanted)
    except Exception as error:
        raise CannotStore(f"limit_by of {name} failed: {type(error).__name__}: {error}") from error
    return _text_of(name, key)


def _text_of(name: str, key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int | UUID):
        raise CannotStore(
            f"limit_by of {name} returned {key!r:.100}: the key is a str, an int or a UUID, by which runs are counted"
        )
    text = str(key)
    if len(text) > LONGEST:
        raise CannotStore(
            f"limit_by of {name} returned {len(text):,} characters, and a key has at most {LONGEST}: return an id"
        )
    return text


def _asked(limit_by: Callable[..., object]) -> list[Parameter]:
    return list(inspect.signature(limit_by).parameters.values())
