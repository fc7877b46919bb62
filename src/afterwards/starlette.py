"""The Starlette door: installs a house in an app, finds the house of a request, and stores a batch at a block's end.

It adds no middleware. The tasks of a batch start once the router has served the request, since its response has been
sent by then.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ParamSpec, Unpack

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Router
from starlette.types import Lifespan, Receive, Scope, Send

from afterwards.adding import Tasks, UsingTasks
from afterwards.batch import Batch, TaskHandle, WhenUnnameable
from afterwards.errors import AfterwardsError, NotInstalled, StoreUnavailable
from afterwards.events import LateAddFailed
from afterwards.house import House
from afterwards.how import AS_DECORATED, How, call_options
from afterwards.idempotency import LONGEST_VALUE, RequestKey

P = ParamSpec("P")

RETRY_AFTER = "1"  # seconds
_UNSENT = "afterwards.unsent"  # in the scope: the batches that wait for their response
_APOLOGY = "The background tasks of this request cannot be stored at the moment. Please try again."

_installed: weakref.WeakKeyDictionary[Starlette, House] = weakref.WeakKeyDictionary()
_begun: weakref.WeakSet[object] = weakref.WeakSet()  # the apps whose lifespan is running
_found: weakref.WeakKeyDictionary[Any, House] = weakref.WeakKeyDictionary()  # apps mounted in those


class StoreRefused(HTTPException, StoreUnavailable):
    """StoreUnavailable as the answer to a request: 503 with Retry-After, through the app's own exception handlers."""

    def __init__(self) -> None:
        HTTPException.__init__(self, 503, _APOLOGY, {"Retry-After": RETRY_AFTER})


def install(app: Starlette, house: House) -> None:
    """Open the house under the app's lifespan, whatever that is. Harmless when repeated."""
    known = _installed.get(app)
    if known is house:
        return
    if known is not None:
        raise ValueError("another Afterwards is installed in this app already: one app has one store")
    _installed[app] = house
    house.has_app = True
    _put_under_lifespan(app, house)
    _put_around_requests(app.router)
    if StoreUnavailable not in app.exception_handlers:
        app.add_exception_handler(StoreUnavailable, _unavailable)


def house_of(connection: HTTPConnection) -> House:
    """The house of the app that serves this request, or of one that this app is mounted in. Raises NotInstalled."""
    app = connection.scope.get("app")
    if app is None:  # a bare router, served without an app
        return _house_around(app)
    house = _installed.get(app) or _found.get(app)
    if house is None:
        house = _found[app] = _house_around(app)
    return house


def apps_of(house: House) -> list[Starlette]:
    """The apps in which this house is installed, in that order."""
    return [app for app, its in tuple(_installed.items()) if its is house]


def batch_of(connection: HTTPConnection, house: House, when_unnameable: WhenUnnameable = WhenUnnameable.RAISE) -> Batch:
    """The batch of a request, under its idempotency key if it has one and the house looks at those.

    Raises HTTPException (400) for a key that cannot be one.
    """
    name = house.settings.idempotency_header
    value = None if name is None or connection.scope["type"] != "http" else connection.headers.get(name)
    if value is None:
        return house.batch(when_unnameable)
    if not 1 <= len(value) <= LONGEST_VALUE:
        raise HTTPException(400, f"{name} has 1 to {LONGEST_VALUE} characters, not {len(value)}")
    request = connection.scope["method"], connection.url.path, connection.headers.get("authorization", ""), value
    return house.batch(when_unnameable, RequestKey(*request, unique_for=house.settings.idempotency_for))


async def finish(house: House, batch: Batch) -> None:
    """The response is out: store what came too late for a status, then let start what is stored."""
    try:
        if batch.has_gathered:
            await _commit_late(house, batch)
    finally:
        await batch.release()


async def _commit_late(house: House, batch: Batch) -> None:
    """A failure can only be said, and a client that has left changes nothing."""
    ids = tuple(call.id for call in batch.gathered())
    with anyio.CancelScope(shield=True):
        try:
            await batch.commit(sent=True)
        except AfterwardsError as error:
            house.events.say(LateAddFailed(ids=ids, error=error))


@asynccontextmanager
async def batch(request: HTTPConnection, house: House) -> AsyncGenerator[Tasks]:
    """`async with batch(request) as tasks`: stored when the block ends; an error inside stores nothing.

    Raises StoreRefused (503) at the block's end when the store does.
    """
    gathered = batch_of(request, house)
    try:
        yield Tasks(gathered)
    finally:
        gathered.end()
    try:
        await gathered.commit()
    except StoreUnavailable as error:
        raise StoreRefused from error
    unsent: list[Batch] | None = request.scope.get(_UNSENT)
    if unsent is None:  # a WebSocket, or nobody who could say when the response has been sent
        await gathered.release()
    else:
        unsent.append(gathered)


class BackgroundTasks(StarletteBackgroundTasks):
    """For `Response(background=tasks)` in Starlette: `tasks = BackgroundTasks(request)`.

    Its tasks are stored when the response has been sent, since nothing calls it earlier: a crash in between loses
    them, and a store that refuses can only be logged. `async with afterwards.batch(request)` stores before.
    """

    def __init__(self, request: HTTPConnection) -> None:
        super().__init__()
        self._house = house_of(request)
        self._batch = batch_of(request, self._house)

    def add_task(  # type: ignore[override]  # Starlette's returns None; a handle is more
        self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskHandle:
        """Run `func(*args, **kwargs)` after the response, durably. Raises CannotName, CannotStore, CallTooLarge."""
        return self._batch.add(func, args, kwargs, AS_DECORATED)

    def using(self, **how: Unpack[How]) -> UsingTasks:
        """Add with options: `tasks.using(delay=60).add_task(...)`."""
        return UsingTasks(self._batch, call_options(how))

    async def __call__(self) -> None:
        """Store what was added, and let it start."""
        self._batch.end()
        await finish(self._house, self._batch)


def _put_under_lifespan(app: Starlette, house: House) -> None:
    """Whatever lifespan the app has when it starts is entered first and left last.

    A router that is included later puts its own lifespan around ours, and a user may set another: so ours goes
    outermost again when the app starts.
    """
    router = app.router
    serve, ours = router.lifespan, _with_house(house, router.lifespan_context)
    router.lifespan_context = ours

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal ours
        if router.lifespan_context is not ours:
            router.lifespan_context = ours = _with_house(house, router.lifespan_context)
        await serve(scope, receive, send)

    router.lifespan = lifespan  # type: ignore[method-assign]  # of this one router, which looks it up when it starts


def _with_house(house: House, lifespan: Lifespan[Any]) -> Lifespan[Any]:
    """The store opens before the app's own lifespan and closes after it; the worker works inside of it."""

    @asynccontextmanager
    async def with_house(app: Any) -> AsyncGenerator[Any]:
        if app in _begun:  # by one of these that was put around this one
            async with lifespan(app) as state:
                yield state
            return
        _begun.add(app)
        try:
            async with house.opened(), lifespan(app) as state, house.working():
                yield state
        finally:
            _begun.discard(app)

    return with_house


def _put_around_requests(router: Router) -> None:
    """When the router has served a request, its response has been sent: release the batches of its endpoint."""
    serve = router.middleware_stack

    async def serve_and_release(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await serve(scope, receive, send)
            return
        unsent: list[Batch] = []
        scope[_UNSENT] = unsent
        try:
            await serve(scope, receive, send)
        finally:
            if unsent:
                await _release(unsent)

    router.middleware_stack = serve_and_release


async def _release(batches: Sequence[Batch]) -> None:
    """All of them, one after another, also when one that runs inline in a test raises."""
    async with AsyncExitStack() as each:
        for batch in reversed(batches):
            each.push_async_callback(batch.release)


def _unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": _APOLOGY}, status_code=503, headers={"Retry-After": RETRY_AFTER})


def _house_around(app: object) -> House:
    """The house of the app in which this one is mounted; or the only one there is."""
    installed = tuple(_installed.items())
    for outer, house in installed:
        if any(inner is app for inner in _apps_in(outer.routes)):
            return house
    houses = {house for _, house in installed}
    if len(houses) == 1:
        return houses.pop()
    raise NotInstalled("no Afterwards is installed in this app: write `Afterwards(app)`, or `afterwards.install(app)`")


def _apps_in(routes: Sequence[BaseRoute]) -> Iterator[object]:
    """The apps mounted on these routes, and in those, also behind middleware, which keeps what it wraps as `app`."""
    for route in routes:
        app = getattr(route, "app", None)
        while app is not None:
            yield app
            yield from _apps_in(getattr(app, "routes", None) or ())
            app = getattr(app, "app", None)
