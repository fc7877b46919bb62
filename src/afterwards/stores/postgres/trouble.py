"""What an error of PostgreSQL, its driver or the network means for the store, and how it is told. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from afterwards.errors import AfterwardsError, CannotStore, StoreUnavailable, StoreUnusable
from afterwards.stores.postgres.driver import OutOfStep, WrongOption, code_of


class Trouble(StrEnum):
    """What kind of trouble it is, which says what to do."""

    LOCKED = "locked"  # somebody else holds a row: wait a little
    AWAY = "away"  # nothing can be done now: connect anew, for as long as the caller can wait
    BROKEN = "broken"  # no waiting cures it
    REFUSED = "refused"  # the database is well, something in the request is not


class ConnectionLost(Exception):
    """The connection broke, or the server did not answer in time. `in_doubt`: what was asked may have been done."""

    def __init__(self, message: str, *, in_doubt: bool) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class CannotConnect(Exception):
    """There is no connection, so that nothing was asked; the cause says why."""


# The codes are those of PostgreSQL's manual, appendix A. Two characters are a class of them.
_LOCKED = ("55P03", "40P01", "40001", "57014")
_WRONG_SETUP = ("28", "3D000", "3F000", "42501")
_WRONG_OPTION = ("42704", "22023")  # while connecting
_STALE = ("0A000", "26000", "42P05")  # a statement that was prepared before the schema, or behind a pooler the session
_AWAY = ("08", "53", "57", "58", "25", "XX", "42P01", *_STALE, *_WRONG_SETUP)

_POOLER_ADVICE = (
    "a pooler such as PgBouncer stands between, and takes no settings: add pooled=true to the URL, and leave out "
    "settings of the server's, or name the server itself"
)
_ADVICE = {
    "28": "are the user and the password in the URL right, and does pg_hba.conf let this host in?",
    "3D000": "there is no such database: create it, or correct the URL",
    "3F000": "there is no such schema in the search path: create it, or correct the URL",
    "42501": "this user may not do that: grant it",
    "26000": _POOLER_ADVICE,
    "42P05": _POOLER_ADVICE,
    "42P01": "the tables are not there: `afterwards migrate` makes them, and so does an app when it starts",
    "53100": "the server's disk is full: make room, and it goes on by itself",
    "53300": "the server has no connection free: raise max_connections, or put a pooler in front",
    "25006": "this server is a standby, or set to read only: name the primary in the URL",
}
_LOCKED_ADVICE = (
    "somebody else holds a lock on it, or the key of a task: is a transaction left open somewhere? An endpoint that "
    "adds under a key in a transaction of its own, and under the same key outside of that before it has committed, "
    "waits for itself here: let the transaction store both, using(transaction=session), or commit first"
)
_SLOW_ADVICE = "is statement_timeout there shorter than this needs?"
_OPTION_ADVICE = "leave out of the URL what the server or the driver does not know"


def trouble(error: BaseException) -> Trouble:
    """What `error` means."""
    if isinstance(error, StoreUnusable):
        return Trouble.BROKEN
    if isinstance(error, ConnectionLost | CannotConnect | OSError | StoreUnavailable):
        return Trouble.AWAY
    code = code_of(error)
    if code in _LOCKED:
        return Trouble.LOCKED
    return Trouble.AWAY if code.startswith(_AWAY) else Trouble.REFUSED


def may_have_ended(error: BaseException) -> bool:
    """The connection ends with this error, if it has not already."""
    return isinstance(error, OSError | OutOfStep) or code_of(error).startswith(("08", "57P", "58", "XX"))


def is_wrong_setup(error: BaseException) -> bool:
    """The server is there and says no: a wrong password, no such database, no right. A wait would not cure it."""
    causes = [error, error.__cause__]
    if any(code_of(cause).startswith(_WRONG_SETUP) for cause in causes if cause is not None):
        return True
    return _is_wrong_option(error) or _is_pooler_refusal(error)


def _is_wrong_option(error: BaseException) -> bool:
    cause = error.__cause__
    if not isinstance(error, CannotConnect) or cause is None:
        return False
    return isinstance(cause, WrongOption) or code_of(cause) in _WRONG_OPTION


def _is_pooler_refusal(error: BaseException) -> bool:
    """PgBouncer gives one code to whatever it says, so the words have to tell."""
    return isinstance(error, CannotConnect) and "unsupported startup parameter" in str(error)


def told(error: Exception, doing: str, place: str) -> AfterwardsError:
    """`error` as callers get it: one of ours, in words, new for each caller."""
    if isinstance(error, AfterwardsError):
        words: AfterwardsError = type(error)(*error.args)
        words.__cause__ = error.__cause__
        return words
    words = _words(error, doing, place)
    words.__cause__ = error
    return words


def _words(error: Exception, doing: str, place: str) -> AfterwardsError:
    match trouble(error):
        case Trouble.LOCKED:
            if code_of(error) == "57014":
                return StoreUnavailable(f"{doing} took too long at {place} ({_reason(error)}): {_SLOW_ADVICE}")
            return StoreUnavailable(f"{doing} took too long, {place} is locked: {_LOCKED_ADVICE}")
        case Trouble.AWAY:
            return StoreUnavailable(f"{doing} failed, {place} cannot be used now ({_reason(error)}): {_advice(error)}")
        case Trouble.BROKEN:
            return StoreUnusable(f"{place} cannot be used ({_reason(error)})")
        case Trouble.REFUSED:
            return CannotStore(f"{doing} was refused: {error}")
        case _ as never:
            assert_never(never)


def unusable(error: Exception, place: str) -> StoreUnusable:
    """A wrong set-up as it is told at the start."""
    words = StoreUnusable(f"{place} cannot be used ({_reason(error)}): {_advice(error)}")
    words.__cause__ = error
    return words


def _reason(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, CannotConnect) and error.__cause__ is not None else error
    return str(cause) or type(cause).__name__


def _advice(error: BaseException) -> str:
    if _is_pooler_refusal(error):
        return _POOLER_ADVICE
    if _is_wrong_option(error):
        return _OPTION_ADVICE
    for cause in (error.__cause__, error):
        code = code_of(cause) if cause is not None else ""
        for begins, advice in _ADVICE.items():
            if code.startswith(begins):
                return advice
    return "it is tried again with every request"
