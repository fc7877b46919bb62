"""Who comes to a door that shows tasks, and what he may do there. Closed unless somebody opened it."""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request

Auth: TypeAlias = Callable[[Request], Any]
"""What decides: takes the request, sync or async, and returns something falsy, `"read"`, `"all"`, True, actions, or a
Visitor."""

_FORWARDING = ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip")


class May(StrEnum):
    """What a visitor may do: look, or everything."""

    READ = "read"
    ALL = "all"


class Act(StrEnum):
    """What people do at a door, each a right of its own; events and logs say it by the same word."""

    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"
    COPY = "copy"
    PAUSE = "pause"
    RESUME = "resume"
    RUN = "run"
    FORGET = "forget"


_RIGHTS = (*May, *Act)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who was let in. `name` is who it is, for the log of what he does.

    `may` is `"read"`, `"all"`, or the actions that he may take beside looking: `{"retry", "cancel"}`, of `retry`,
    `cancel`, `delete` and `copy` for tasks, `pause` and `resume` for queues and schedules, `run` and `forget` for
    schedules. Raises ValueError for any other word.

    Example:
        `return Visitor(may={"retry", "cancel"}, name=user.email)` in the function that is given as `auth=`
    """

    may: str | Collection[str] = May.ALL
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.may, str):
            object.__setattr__(self, "may", frozenset(self.may))
        unknown = sorted(self._rights - set(_RIGHTS), key=str)
        if unknown:
            raise ValueError(f"may is one of {', '.join(_RIGHTS)}, or several of them, not {unknown[0]!r}")

    @property
    def may_act(self) -> bool:
        """He may change something, and not only look."""
        return bool(self._rights - {May.READ})

    def can(self, action: str) -> bool:
        """Whether he may do this."""
        return not self._rights.isdisjoint({May.ALL, action})

    @property
    def _rights(self) -> frozenset[str]:
        return frozenset({self.may} if isinstance(self.may, str) else self.may)


async def visitor(request: Request, auth: Auth) -> Visitor | None:
    """Whom `auth` lets in, and with which rights; None: nobody. Raises TypeError for an answer that means nothing."""
    answer = await _asked(auth, request)
    match answer:
        case Visitor():
            return _named(answer, request) if answer.may else None
        case True:
            return _named(Visitor(), request)
        case _ if not answer:
            return None
        case str() if answer in _RIGHTS:
            return _named(Visitor(may=answer), request)
        case _ if rights := _rights_in(answer):
            return _named(Visitor(may=rights), request)
        case _:
            raise TypeError(
                f"auth= returned {type(answer).__name__}: it returns None or False (nobody comes in), 'read', 'all' "
                f"or True, actions such as {{'retry', 'cancel'}}, of {', '.join(Act)}, or Visitor(may=..., name=...)"
            )


def checked(auth: object) -> Auth | None:
    """What a person gave as `auth=`. Raises ValueError for what cannot be called."""
    if auth is None or callable(auth):
        return auth
    raise ValueError(f"auth takes a function of the request, not {auth!r}")


def is_loopback(connection: HTTPConnection) -> bool:
    """Whether the peer itself is on this machine, and came by a name of this machine through no proxy."""
    peer = "" if connection.client is None else connection.client.host
    names = [name.lower() for name in connection.headers]
    forwarded = any(name in _FORWARDING or name.startswith("x-forwarded") for name in names)
    return not forwarded and _is_loopback_address(peer) and _is_loopback_name(connection.headers.get("host", ""))


def _is_loopback_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_loopback_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback_address(name)


async def _asked(auth: Auth, request: Request) -> object:
    """A plain function is called in a thread, since it may wait for a database."""
    call = getattr(auth, "__call__", auth)  # noqa: B004 – of an object with an async __call__
    if inspect.iscoroutinefunction(auth) or inspect.iscoroutinefunction(call):
        return await auth(request)
    answer = await run_in_threadpool(auth, request)
    return await answer if inspect.isawaitable(answer) else answer


def _rights_in(answer: object) -> frozenset[str]:
    """The rights that a collection names; none, if anything in it is none."""
    if not isinstance(answer, set | frozenset | list | tuple):
        return frozenset()
    words = cast("Collection[str]", answer)
    return frozenset(words) if all(word in _RIGHTS for word in words) else frozenset()


def _named(who: Visitor, request: Request) -> Visitor:
    return who if who.name else replace(who, name=_name_of(request))


def _name_of(request: Request) -> str:
    user = request.scope.get("user")
    if getattr(user, "is_authenticated", False):
        return str(getattr(user, "display_name", "") or user)
    return "somebody" if request.client is None else request.client.host
