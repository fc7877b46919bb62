"""What an error of SQLite or the file system means for the store, and how it is told. Pure."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from afterwards.errors import AfterwardsError, CannotStore, StoreUnavailable, StoreUnusable


class Trouble(StrEnum):
    """What kind of trouble it is, which says what to do."""

    LOCKED = "locked"  # somebody else writes: wait a little
    AWAY = "away"  # nothing can be written now: say so at once, try again with the next request
    BROKEN = "broken"  # no waiting cures it
    REFUSED = "refused"  # the file is well, something in the request is not


class WriteLockHeld(Exception):
    """Another process holds the lock file that stands for the right to write."""


_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_AWAY = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_AUTH,
}
_BROKEN = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: make room, and it goes on by itself",
    sqlite3.SQLITE_READONLY: "this user may not write the file or its folder: grant that, and it goes on by itself",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: is there such a folder, and may this user write to it?",
    sqlite3.SQLITE_IOERR: "the disk reported an error: see the system's log",
}
_LOCKED_ADVICE = (
    "another connection holds its write lock. A transaction left open somewhere? An endpoint that has written to this "
    "file in a transaction of its own, and not committed yet, waits for itself here: let that transaction store the "
    "task, using(transaction=session), or commit first, or give the tasks a file of their own"
)


def trouble(error: Exception) -> Trouble:
    """What `error` means."""
    if isinstance(error, WriteLockHeld):
        return Trouble.LOCKED
    if isinstance(error, StoreUnusable):
        return Trouble.BROKEN
    if isinstance(error, OSError | StoreUnavailable):
        return Trouble.AWAY
    return _trouble_of_code(_code(error))


def _trouble_of_code(code: int) -> Trouble:
    if code in _LOCKED:
        return Trouble.LOCKED
    if code in _AWAY:
        return Trouble.AWAY
    return Trouble.BROKEN if code in _BROKEN else Trouble.REFUSED


def told(error: Exception, doing: str, path: Path) -> Exception:
    """`error` as callers get it: one of ours, in words."""
    if isinstance(error, AfterwardsError):
        return _again(error)
    words = _words(error, doing, path)
    words.__cause__ = error
    return words


def _words(error: Exception, doing: str, path: Path) -> AfterwardsError:
    match trouble(error):
        case Trouble.LOCKED:
            return StoreUnavailable(f"{doing} took too long, {path} is locked: {_LOCKED_ADVICE}")
        case Trouble.AWAY:
            return StoreUnavailable(f"{doing} failed, {path} cannot be used now ({error}): {_advice(error)}")
        case Trouble.BROKEN:
            return StoreUnusable(f"{path} is damaged or no SQLite file ({error}): restore it, or move it away")
        case Trouble.REFUSED:
            return CannotStore(f"{doing} was refused: {error}")
        case _ as never:
            assert_never(never)


def _again(error: AfterwardsError) -> AfterwardsError:
    """A copy for each caller: one exception raised in many tasks would gather all their tracebacks."""
    copy = type(error)(*error.args)
    copy.__cause__ = error.__cause__
    return copy


def _advice(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return _ADVICE[sqlite3.SQLITE_READONLY]
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _ADVICE[sqlite3.SQLITE_CANTOPEN]
    return _ADVICE.get(_code(error), "it is tried again with every request")


def _code(error: Exception) -> int:
    """The primary result code; the extended ones carry it in their low byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
