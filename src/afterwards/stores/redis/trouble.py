"""What an error of the server or the network means for the store, and how it is told. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import assert_never

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from afterwards.errors import AfterwardsError, CannotStore, StoreUnavailable, StoreUnusable


class Trouble(StrEnum):
    """What kind of trouble it is, which says what to do."""

    AWAY = "away"  # connect anew and try again, as long as the caller can wait
    FULL = "full"  # nothing can be written now: say so at once
    BROKEN = "broken"  # no waiting cures it
    REFUSED = "refused"  # the server is well, something in the request is not


_AWAY = {
    "READONLY": "it has become a replica; the new master is looked for",
    "LOADING": "it is still loading its data",
    "MASTERDOWN": "it is a replica that has lost its master",
    "CLUSTERDOWN": "the cluster is not complete",
    "TRYAGAIN": "the keys are on their way to another server of the cluster",
    "MOVED": "the keys belong to another server of the cluster",
    "ASK": "the keys are on their way to another server of the cluster",
    "BUSY": "a script of somebody's keeps it busy",
    "UNBLOCKED": "it has become a replica",
    "NOSTORE": "it has lost its data; the store is begun anew",
}
_FULL = {
    "OOM": "its memory is full: give it more (maxmemory), or less history (?history=), and it goes on by itself",
    "MISCONF": "it cannot save its data and so takes no more: see its log for the disk",
    "NOREPLICAS": "too few of its replicas are there: that is how it is set up (min-replicas-to-write)",
}
_BROKEN = {
    "NOAUTH": "it wants a password: put it into the URL",
    "WRONGPASS": "it wants another user or password: correct the URL",
    "NOPERM": "this user may not do what is needed: see docs/stores/redis.md for what it has to be allowed",
    "WRONGTYPE": "other programs use keys of these names: give the store another ?tag=",
}
_CODES = re.compile(rf"\b({'|'.join([*_AWAY, *_FULL, *_BROKEN])})\b")
_SET_UP = re.compile(r"invalid password|without any password|DB index|SELECT is not allowed", re.IGNORECASE)


def trouble(error: Exception) -> Trouble:
    """What `error` means."""
    if isinstance(error, StoreUnusable | AuthenticationError | NoPermissionError) or _is_set_up(error):
        return Trouble.BROKEN
    code = code_of(error)
    if code in _BROKEN:
        return Trouble.BROKEN
    if code in _FULL:
        return Trouble.FULL
    if code in _AWAY or isinstance(error, OSError | StoreUnavailable):
        return Trouble.AWAY
    is_an_answer = isinstance(error, ResponseError) or not isinstance(error, RedisError)
    return Trouble.REFUSED if is_an_answer else Trouble.AWAY


def code_of(error: Exception) -> str:
    """The word by which servers name the error: at its beginning, or within, where it passed through a script.

    redis-py takes it off where it has a class of its own for it.
    """
    name = type(error).__name__
    if name in _CLASSES:
        return _CLASSES[name]
    found = _CODES.search(str(error)) if isinstance(error, RedisError) else None
    return found[1] if found else ""


def told(error: Exception, doing: str, place: str) -> Exception:
    """`error` as callers get it: one of ours, in words; a new one for each, or it would gather all their tracebacks."""
    words = type(error)(*error.args) if isinstance(error, AfterwardsError) else _words(error, doing, place)
    words.__cause__ = error
    return words


def too_long(doing: str, place: str, last: Exception | None) -> StoreUnavailable:
    """For a caller who has waited long enough."""
    why = "it does not answer" if last is None else _why(last)
    return StoreUnavailable(f"{doing} took too long, {place} cannot be used now: {why}")


_CLASSES = {
    "ReadOnlyError": "READONLY",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "OutOfMemoryError": "OOM",
    "AuthenticationError": "WRONGPASS",
    "AuthenticationWrongNumberOfArgsError": "WRONGPASS",
    "NoPermissionError": "NOPERM",
}


def _is_set_up(error: Exception) -> bool:
    return isinstance(error, RedisError) and _SET_UP.search(str(error)) is not None


def _words(error: Exception, doing: str, place: str) -> AfterwardsError:
    match trouble(error):
        case Trouble.AWAY | Trouble.FULL:
            return StoreUnavailable(f"{doing} failed, {place} cannot be used now: {_why(error)}")
        case Trouble.BROKEN:
            return StoreUnusable(f"{place} cannot be used: {_why(error)}")
        case Trouble.REFUSED:
            return CannotStore(f"{doing} was refused by {place}: {error}")
        case _ as never:
            assert_never(never)


def _why(error: Exception) -> str:
    advice = {**_AWAY, **_FULL, **_BROKEN}.get(code_of(error), "")
    return f"{advice} ({error})" if advice else f"{error} Is it running, and does the URL name it?"
