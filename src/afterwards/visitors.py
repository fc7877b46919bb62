"""Who comes to a door that shows tasks, and what he may do there. Closed unless somebody opened it."""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request

Auth: TypeAlias = Callable[[Request], Any]
"""What decides: takes the request, sync or async, and returns something falsy, `"read"`, `"all"`, True or a Visitor."""

_FORWARDING = ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip")


class May(StrEnum):
    """What a visitor may do."""

    READ = "read"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who was let in. `may` is `"read"` or `"all"`; `name` is who it is, for the log of what he does.

    Example:
        `return Visitor(may="all", name=user.email)` in the function that is given as `auth=`
    """

    may: str = May.ALL
    name: str = ""

    def __post_init__(self) -> None:
        if self.may not in set(May):
            raise ValueError(f"may is one of {', '.join(May)}, not {self.may!r}")

    @property
    def may_act(self) -> bool:
        """He may change something, and not only look."""
        return self.may == May.ALL


async def visitor(request: Request, auth: Auth) -> Visitor | None:
    """Whom `auth` lets in, and with which rights; None: nobody. Raises TypeError for an answer that means nothing."""
    answer = await _asked(auth, request)
    match answer:
        case None | False | "" | 0:
            return None
        case Visitor(name=""):
            return Visitor(may=answer.may, name=_name_of(request))
        case Visitor():
            return answer
        case True:
            return Visitor(name=_name_of(request))
        case str() if answer in set(May):
            return Visitor(may=answer, name=_name_of(request))
        case _ if not answer:
            return None
        case _:
            raise TypeError(
                f"auth= returned {type(answer).__name__}: it returns None or False (nobody comes in), 'read', 'all', "
                "True (the same), or Visitor(may='all', name=...)"
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


def _name_of(request: Request) -> str:
    user = request.scope.get("user")
    if getattr(user, "is_authenticated", False):
        return str(getattr(user, "display_name", "") or user)
    return "somebody" if request.client is None else request.client.host
