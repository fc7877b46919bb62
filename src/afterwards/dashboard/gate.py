"""Stands before every page: lets in whom `auth` lets in, refuses what another site sends, and sets the headers.

Without `auth` it is closed, but to this machine itself while the app is in debug mode.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from afterwards.house import House
from afterwards.starlette import apps_of
from afterwards.visitors import Auth, Visitor, is_loopback, visitor

VISITOR, NONCE, TOKEN = "afterwards.visitor", "afterwards.nonce", "afterwards.token"
COOKIE = "afterwards_token"
_SAFE = ("GET", "HEAD", "OPTIONS")

Refuse = Callable[..., Awaitable[Response]]

CLOSED = "The dashboard is closed"
HOW_TO_OPEN = (
    "It is open to this machine while the app is in debug mode, FastAPI(debug=True), and to those whom a function of "
    "yours lets in: afterwards.dashboard(auth=is_admin)."
)
NOT_FOR_YOU = "The dashboard is not for you"
ASK = "Whoever runs this app decides who may look at its tasks."
FROM_ELSEWHERE = "This came from another site"
SAME_ORIGIN = "The dashboard takes orders from its own pages only. Go back there, load the page again, and try again."
ONLY_LOOK = "You may look, and not change anything"


class Gate:
    """ASGI middleware. `refuse(request, title, what to do)` makes the page that says no."""

    def __init__(self, app: ASGIApp, *, house: House, auth: Auth | None, refuse: Refuse, is_local: bool) -> None:
        self._app = app
        self._house = house
        self._auth = auth
        self._refuse = refuse
        self._is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every request; anything else, such as a lifespan, goes by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        scope[NONCE] = nonce = secrets.token_urlsafe(16)
        scope[TOKEN] = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        guarded = _with_headers(send, request, nonce)
        try:
            refusal = await self._refusal(request)
        except HTTPException as error:  # which `auth` raised, to ask for a password, say
            refusal = await self._refuse(request, NOT_FOR_YOU, error.detail, error.status_code)
            refusal.headers.update(error.headers or {})
        if refusal is None:
            await self._app(scope, receive, guarded)
        else:
            await refusal(scope, receive, guarded)

    async def _refusal(self, request: Request) -> Response | None:
        request.scope[VISITOR] = None
        who = request.scope[VISITOR] = await self._visitor(request)
        if who is None:
            return await self._refuse(request, *((CLOSED, HOW_TO_OPEN) if self._auth is None else (NOT_FOR_YOU, ASK)))
        if request.method in _SAFE:
            return None
        if not is_same_origin(request):
            return await self._refuse(request, FROM_ELSEWHERE, SAME_ORIGIN)
        if not who.may_act:
            return await self._refuse(request, ONLY_LOOK, ASK)
        return None

    async def _visitor(self, request: Request) -> Visitor | None:
        if self._auth is not None:
            return await visitor(request, self._auth)
        is_open = self._is_local or any(app.debug for app in apps_of(self._house))
        return Visitor(name="this machine") if is_open and is_loopback(request) else None


def is_same_origin(request: HTTPConnection) -> bool:
    """Whether the browser says that a page of this origin sent it; what says nothing is no page of anybody's."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or _host(origin) == request.headers.get("host", "").lower()


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _with_headers(send: Send, request: Request, nonce: str) -> Send:
    policy = (
        f"default-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; font-src 'none'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )

    began = time.perf_counter()

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["server-timing"] = f"page;dur={(time.perf_counter() - began) * 1000:.0f}"  # the script goes by it
            headers["content-security-policy"] = policy
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"  # with none at all, browsers would send `Origin: null`
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["x-robots-tag"] = "noindex"
            headers.setdefault("cache-control", "no-cache" if "etag" in headers else "no-store")  # files may be kept
            if request.scope.get(VISITOR) is not None and COOKIE not in request.cookies:
                headers.append("set-cookie", _cookie(request))
        await send(message)

    return guarded


def _cookie(request: Request) -> str:
    secure = "; Secure" if request.url.scheme == "https" else ""
    path = "/" + quote(request.scope.get("root_path", "").strip("/"))  # part of it may be what somebody typed
    return f"{COOKIE}={request.scope[TOKEN]}; Path={path}; HttpOnly; SameSite=Strict{secure}"
