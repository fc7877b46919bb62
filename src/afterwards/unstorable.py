"""The kinds of objects that people pass to tasks and that cannot outlive their request, each with the way out."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType

from afterwards.parts import parts
from afterwards.sameness import is_row

_DEEPEST = 4


def known_reason(value: object, depth: int = _DEEPEST) -> tuple[str, str] | None:
    """Where such an object is, the value itself or a part of it, and what to do about it; None if there is none."""
    for matches, reason in _KNOWN:
        if matches(value):
            return "", reason
    for label, part in parts(value) if depth else ():
        found = known_reason(part, depth - 1)
        if found is not None:
            return label + found[0], found[1]
    return None


def _is(*places: str) -> Callable[[object], bool]:
    """Matches objects of these classes and of their subclasses, by `package:Class`, with nothing imported."""

    def matches(value: object) -> bool:
        return any(f"{base.__module__.partition('.')[0]}:{base.__name__}" in places for base in type(value).__mro__)

    return matches


def _has_surrogates(value: object) -> bool:
    return isinstance(value, str | PurePath) and any("\ud800" <= character <= "\udfff" for character in str(value))


def _is_endless(value: object) -> bool:
    """Of more digits than pydantic, as Python itself, reads from text."""
    return isinstance(value, int) and value.bit_length() >= (10**4300).bit_length()


HALF_A_CHARACTER = (
    "there is half a character in it (a lone surrogate, as in file names that are no UTF-8). "
    "Pass it as bytes, os.fsencode(name), or clean it."
)
_ENDLESS = "an int of more than 4,300 digits is not read back from text. Pass it as a str, hex(number), or as bytes."
_SECRET = "a secret would be stored as stars. Pass the name or id under which the task can fetch it."
_ROW = "it is a row of the database, bound to its session. Pass its id, and load it in the task."
_CONNECTION = "an open connection or session cannot be kept. Open one inside the task."
_REQUEST = "a request lives only as long as its response. Pass the values of it that the task needs."
_UPLOAD = "an upload is gone after its request. Save it and pass the path, or pass its content if that is small."
_FILE = "an open file cannot be kept. Pass its path, or its content if that is small."
_FUNCTION = "a function cannot be an argument. Add it as a task of its own, or pass a word that chooses it."
_COROUTINE = "it has not been awaited. Await it, and pass its result."
_ITERATOR = "it can be read only once. Pass a list."

_KNOWN: list[tuple[Callable[[object], bool], str]] = [
    (_has_surrogates, HALF_A_CHARACTER),
    (_is_endless, _ENDLESS),
    (_is("pydantic:SecretStr", "pydantic:SecretBytes", "pydantic:Secret"), _SECRET),
    (lambda value: is_row(type(value)), _ROW),
    (_is("sqlalchemy:Session", "sqlalchemy:AsyncSession", "sqlalchemy:scoped_session"), _CONNECTION),
    (
        _is("sqlalchemy:Connection", "sqlalchemy:AsyncConnection", "sqlalchemy:Engine", "sqlite3:Connection"),
        _CONNECTION,
    ),
    (
        _is("asyncpg:Connection", "asyncpg:Pool", "psycopg:BaseConnection", "redis:Redis", "httpx:BaseClient"),
        _CONNECTION,
    ),
    (_is("starlette:HTTPConnection"), _REQUEST),
    (_is("starlette:UploadFile"), _UPLOAD),
    (lambda value: isinstance(value, io.IOBase), _FILE),
    (_is("tempfile:_TemporaryFileWrapper", "tempfile:SpooledTemporaryFile"), _FILE),
    (lambda value: isinstance(value, FunctionType | MethodType | BuiltinFunctionType), _FUNCTION),
    (lambda value: isinstance(value, Coroutine), _COROUTINE),
    (lambda value: isinstance(value, Iterator | AsyncIterator), _ITERATOR),
]
