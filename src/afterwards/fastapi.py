"""The FastAPI door: `BackgroundTasks` as a parameter, stored before the response leaves.

It adds no middleware and no route class. The tasks of a request are bound to the two exit stacks that FastAPI keeps in
the scope: the function stack closes when the response has been built and before its first byte, and every failure of
the request passes through it; the inner stack closes when the response has been sent.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import wraps
from types import TracebackType
from typing import Annotated, Any, ParamSpec, Unpack

import fastapi
import fastapi.routing
from fastapi import Depends, FastAPI, HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.websockets import WebSocketDisconnect

from afterwards.adding import UsingTasks
from afterwards.batch import Batch, TaskHandle, WhenUnnameable
from afterwards.chains import Chain, Chained, Group, Part
from afterwards.errors import StoreUnavailable, UnsupportedFastAPI
from afterwards.house import House
from afterwards.how import AS_DECORATED, How, call_options
from afterwards.starlette import StoreRefused, batch_of, finish, house_of, install

P = ParamSpec("P")

_FUNCTION_STACK, _INNER_STACK = "fastapi_function_astack", "fastapi_inner_astack"
_TASKS = "afterwards.tasks"
_NORMAL_ENDS = (WebSocketDisconnect, ClientDisconnect)  # the client left while the answer was on its way
_SOLVE, _WRAPPED = "solve_dependencies", "knows_adopted_apps"

_adopted: weakref.WeakKeyDictionary[FastAPI, House] = weakref.WeakKeyDictionary()


class StoreRefusedRequest(StoreRefused, HTTPException):
    """StoreRefused for handlers of FastAPI's own HTTPException too."""


class RequestTasks(fastapi.BackgroundTasks):
    """The background tasks of one request; write the parameter as `background_tasks: BackgroundTasks`.

    What is added before the response is stored before its first byte, all in one write: a 2xx means stored. If the
    request fails nothing is stored.
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self._batch = batch

    def add_task(  # type: ignore[override]  # FastAPI's returns None; a handle is more
        self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskHandle:
        """Run `func(*args, **kwargs)` after the response, durably; `func` is an `async def` or `def` function.

        Every argument goes to the function, none is reserved. Returns a handle with the task's `id`. Safe from any
        thread.

        Raises CannotName, CannotStore or CallTooLarge when the call cannot be stored; those added before are kept.

        Example:
            `task = background_tasks.add_task(send_welcome, user.id)`
        """
        return self._batch.add(func, args, kwargs, AS_DECORATED)

    def using(self, **how: Unpack[How]) -> UsingTasks:
        """Add with options: `background_tasks.using(delay=60).add_task(send_reminder, user.id)`."""
        return UsingTasks(self._batch, call_options(how))

    def add_chain(self, *parts: Part) -> Chained:
        """Add a chain, stored with the other tasks of the request. See `Afterwards.chain`.

        Example:
            `background_tasks.add_chain(call(fetch, url), call(parse), call(save, user.id))`
        """
        return self._batch.add_chain(Chain(parts))

    def add_group(self, parts: Iterable[Part], then: Part | None = None) -> Chained:
        """Add a group, stored with the other tasks of the request. See `Afterwards.group`.

        Example:
            `background_tasks.add_group([call(resize, path) for path in paths], then=call(publish, user.id))`
        """
        return self._batch.add_chain(Group(parts, then))


async def provide(connection: HTTPConnection) -> RequestTasks:
    """The dependency behind `BackgroundTasks`: one object per request, whoever asks."""
    return _tasks_of(connection, house_of(connection), WhenUnnameable.RAISE)


BackgroundTasks = Annotated[RequestTasks, Depends(provide)]
"""FastAPI's `BackgroundTasks`, made durable: change the import, and nothing else."""


def adopt(app: FastAPI, house: House) -> None:
    """Install, and make plain `fastapi.BackgroundTasks` parameters of this app durable. Harmless when repeated.

    Raises UnsupportedFastAPI, with nothing done, when FastAPI's inside is not as known.
    """
    _patch_once()
    install(app, house)
    _adopted[app] = house


def is_adopted(app: object, house: House) -> bool:
    """Whether `house` has adopted this app."""
    return isinstance(app, FastAPI) and _adopted.get(app) is house


def _tasks_of(connection: HTTPConnection, house: House, when_unnameable: WhenUnnameable) -> RequestTasks:
    """The request's object; a mounted app or nested route, which has stacks of its own, has an object of its own."""
    scope = connection.scope
    inner = scope.get(_INNER_STACK)
    known = scope.get(_TASKS)
    if known is not None and known[0] is inner:
        tasks: RequestTasks = known[1]
        return tasks
    function = scope.get(_FUNCTION_STACK)
    if inner is None or function is None:
        raise _unsupported("the request carries no exit stacks")
    batch = batch_of(connection, house, when_unnameable)
    tasks = RequestTasks(batch)
    before = _BeforeResponse(batch, has_status=scope["type"] == "http")
    _push_to_bottom(function, before)
    _push_to_bottom(inner, _AfterResponse(house, batch, before))
    scope[_TASKS] = inner, tasks
    return tasks


def _push_to_bottom(stack: AsyncExitStack, end: AbstractAsyncContextManager[Any]) -> None:
    """Let `end` come after all that is on the stack already, so that their failures are seen and their adds caught."""
    above = stack.pop_all()
    stack.push_async_exit(end)
    stack.push_async_exit(above)


class _BeforeResponse(AbstractAsyncContextManager[None]):
    """Closes with the function stack: the response is built, or the request has failed.

    A class, since an exit stack takes that faster than a function, and every request of an adopted app has one.
    """

    def __init__(self, batch: Batch, *, has_status: bool) -> None:
        self._batch = batch
        self._has_status = has_status
        self.failed = False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.failed = error is not None and not isinstance(error, WebSocketDisconnect)
        if self._has_status and not self.failed and not self._batch.is_empty:
            self.failed = True  # until it is stored
            try:
                await self._batch.commit()
            except StoreUnavailable as refusal:
                raise StoreRefusedRequest from refusal
            self.failed = False


class _AfterResponse(AbstractAsyncContextManager[None]):
    """Closes with the inner stack: the response has been sent, or the connection has ended."""

    def __init__(self, house: House, batch: Batch, before: _BeforeResponse) -> None:
        self._house = house
        self._batch = batch
        self._before = before

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        batch = self._batch
        batch.end()
        if batch.is_empty:
            return
        if self._before.failed or not (error is None or isinstance(error, _NORMAL_ENDS)):
            batch.discard()
        await finish(self._house, batch)


def _patch_once() -> None:
    """Wrap the one function through which FastAPI's routes solve dependencies; it looks it up at every request."""
    solve = getattr(fastapi.routing, _SOLVE, None)
    if getattr(solve, _WRAPPED, False):
        return
    if solve is None or not {"request", "background_tasks"} <= inspect.signature(solve).parameters.keys():
        raise _unsupported("its routes do not solve dependencies as they used to")
    setattr(fastapi.routing, _SOLVE, _solving(solve))


def _solving(solve: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(solve)
    async def solve_dependencies(*, request: HTTPConnection, **others: Any) -> Any:
        house = _adopted.get(request.scope["app"])
        if house is not None and others.get("background_tasks") is None:
            others["background_tasks"] = _tasks_of(request, house, WhenUnnameable.LOCAL)
        return await solve(request=request, **others)

    setattr(solve_dependencies, _WRAPPED, True)
    return solve_dependencies


def _unsupported(why: str) -> UnsupportedFastAPI:
    return UnsupportedFastAPI(
        f"Afterwards does not know the inside of FastAPI {fastapi.__version__}: {why}. Use a version that it knows "
        "(0.128.2 or newer), or, if adopt() raised this, write `from afterwards import BackgroundTasks` in place of it"
    )
