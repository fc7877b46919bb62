"""The Starlette door: installs a house in an app, finds the house of a request, and stores a batch at a block's end.

It adds no middleware. Tasks start once the response has been sent, which here means: once the asyncio task that serves
the request has ended.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from afterwards.adding import Tasks
from afterwards.batch import Batch
from afterwards.errors import NotInstalled, StoreUnavailable
from afterwards.events import LateAddFailed
from afterwards.house import House
from afterwards.tasks import TaskId

RETRY_AFTER = "1"  # seconds
_APOLOGY = "The background tasks of this request cannot be stored at the moment. Please try again."
_LONGEST_UNSENT = 5.0  # seconds, for servers that serve several requests in one asyncio task

_houses: weakref.WeakKeyDictionary[object, House] = weakref.WeakKeyDictionary()


class StoreRefused(HTTPException, StoreUnavailable):
    """StoreUnavailable as the answer to a request: 503 with Retry-After, through the app's own exception handlers."""

    def __init__(self) -> None:
        HTTPException.__init__(self, 503, _APOLOGY, {"Retry-After": RETRY_AFTER})


def install(app: Starlette, house: House) -> None:
    """Open the house under the app's lifespan, whatever that is. Harmless when repeated."""
    if _houses.get(app) is house:
        return
    if app in _houses:
        raise ValueError("another Afterwards is installed in this app already: one app has one store")
    _houses[app] = house
    app.router.lifespan_context = _with_house(house, app.router.lifespan_context)
    if StoreUnavailable not in app.exception_handlers:
        app.add_exception_handler(StoreUnavailable, _unavailable)


def house_of(connection: HTTPConnection) -> House:
    """The house of the app that serves this request, or of one that this app is mounted in. Raises NotInstalled."""
    app = connection.scope.get("app")
    house = _houses.get(app)
    if house is None:
        house = _house_around(app)
        _houses[app] = house
    return house


async def commit_or_refuse(batch: Batch) -> None:
    """Store the batch. Raises StoreRefused when the store does."""
    try:
        await batch.commit()
    except StoreUnavailable as error:
        raise StoreRefused from error


async def commit_late(house: House, batch: Batch) -> None:
    """Store what came too late for a status; a failure can only be said."""
    ids: tuple[TaskId, ...] = batch.pending()
    try:
        await batch.commit(sent=True)
    except StoreUnavailable as error:
        house.events.say(LateAddFailed(ids=ids, error=error))


def batch(request: HTTPConnection, house: House) -> AbstractAsyncContextManager[Tasks]:
    """`async with batch(request) as tasks`: stored when the block ends; an error inside stores nothing.

    Raises StoreRefused (503) at the block's end when the store does.
    """
    return _batch(house)


@asynccontextmanager
async def _batch(house: House) -> AsyncGenerator[Tasks]:
    gathered = house.batch()
    yield Tasks(gathered)
    gathered.end()
    await commit_or_refuse(gathered)
    release = house.release_later(gathered)
    if release is None:
        await gathered.release()
    else:
        _after_request(release)


class BackgroundTasks(StarletteBackgroundTasks):
    """For `Response(background=tasks)` in Starlette: `tasks = BackgroundTasks(request)`.

    Its tasks are stored when the response has been sent, since nothing calls it earlier: a crash in between loses
    them, and a store that refuses can only be logged. `async with afterwards.batch(request)` stores before.
    """

    def __init__(self, request: HTTPConnection) -> None:
        super().__init__()
        self._house = house_of(request)
        self._batch = self._house.batch()
        self._adding = Tasks(self._batch)
        self.using = self._adding.using
        self.add_task = self._adding.add_task  # type: ignore[assignment,method-assign]  # returns a TaskHandle in place of None

    async def __call__(self) -> None:
        """Store what was added, and let it start."""
        self._batch.end()
        await commit_late(self._house, self._batch)
        await self._batch.release()


def _after_request(release: Callable[[], None]) -> None:
    """Call it when the asyncio task that serves the request has ended; some servers keep one for many requests."""
    loop, serving = asyncio.get_running_loop(), asyncio.current_task()
    if serving is not None:
        serving.add_done_callback(lambda _: release())
    loop.call_later(_LONGEST_UNSENT, release)


def _with_house(house: House, lifespan: Lifespan[Any]) -> Lifespan[Any]:
    """The store opens before the app's own lifespan and closes after it; the worker works inside of it."""

    @asynccontextmanager
    async def with_house(app: Any) -> AsyncGenerator[Any]:
        await house.open()
        try:
            async with lifespan(app) as state, house.working():
                yield state
        finally:
            await house.close()

    return with_house


def _unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": _APOLOGY}, status_code=503, headers={"Retry-After": RETRY_AFTER})


def _house_around(app: object) -> House:
    """The house of the app in which this one is mounted; or the only one there is."""
    for outer, house in tuple(_houses.items()):
        if isinstance(outer, Starlette) and _is_mounted_in(app, outer.routes):
            return house
    if len(set(_houses.values())) == 1:
        return next(iter(_houses.values()))
    raise NotInstalled("no Afterwards is installed in this app: write `Afterwards(app)`, or `afterwards.install(app)`")


def _is_mounted_in(app: object, routes: Sequence[BaseRoute]) -> bool:
    for route in routes:
        mounted = getattr(route, "app", None)
        if mounted is app or _is_mounted_in(app, getattr(mounted, "routes", None) or ()):
            return True
    return False
