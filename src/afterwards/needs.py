"""What a dependency of a task needs, read once from what FastAPI makes of it; what needs a request is refused.

FastAPI says which parameters there are and what each is: signatures, `Annotated`, classes, `Depends()` without a
function. Nothing is called here.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant

from afterwards.annotations import Dependency, is_depends
from afterwards.errors import CannotSolve
from afterwards.fastapi import provide

_Callable = Callable[..., Any]

if sys.version_info >= (3, 13):
    _is_coroutine_function = inspect.iscoroutinefunction
else:  # which alone knows the mark that libraries set there
    _is_coroutine_function = asyncio.iscoroutinefunction


class Kind(StrEnum):
    """How a dependency is called."""

    PLAIN = "plain"  # in a thread
    ASYNC = "async"
    YIELDS = "yields"  # in threads
    ASYNC_YIELDS = "async yields"
    TASKS = "tasks"  # the BackgroundTasks of the run


class Concurrency(Protocol):
    """FastAPI's limit for one `Depends(..., max_concurrency=...)`."""

    def get_semaphore(self) -> AbstractAsyncContextManager[object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One dependency with what it needs in turn. `key` is what it is cached under, as FastAPI would.

    `takes_tasks` is the parameter that gets the run's BackgroundTasks by its type; `of_function` says that its
    scope is that of the function, and not the longer one of a request.
    """

    name: str
    call: _Callable
    kind: Kind
    needs: tuple[Need, ...]
    key: object
    use_cache: bool
    of_function: bool
    takes_tasks: str | None
    concurrency: Concurrency | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one parameter of a task's function needs: `takes_tasks` if its type alone says what it gets."""

    needs: tuple[Need, ...]
    takes_tasks: str | None


def needs_of(dependency: Dependency) -> Needs:
    """Raises CannotSolve, naming the parameter, for what needs a request and for what FastAPI cannot make sense of."""
    parameter = dependency.parameter
    what = f"{dependency.of}: the parameter {parameter.name!r}"
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise CannotSolve(f"{what} is solved by name, and can be given by position only: take the `/` away")
    dependant = _read(_taking(parameter), what)
    if not (dependant.dependencies or dependant.background_tasks_param_name):
        raise CannotSolve(
            f"{what} has the default SOLVED, but no Depends(...) can be seen in its annotation. What an annotation "
            "names has to be imported at run time, not only under TYPE_CHECKING."
        )
    _refuse_requests(dependant, what, ())
    return Needs(needs=tuple(map(_need_of, dependant.dependencies)), takes_tasks=dependant.background_tasks_param_name)


def overriding(need: Need, call: _Callable) -> Need:
    """What takes the place of `need` when `call` is set as its override. Raises CannotSolve."""
    what = f"the override {_called(call)} of {_called(need.call)}"
    dependant = _read(call, what, name=need.name, scope="function" if need.of_function else None)
    _refuse_requests(dependant, what, ())
    other = _need_of(dependant)
    return Need(
        name=need.name,
        call=other.call,
        kind=other.kind,
        needs=other.needs,
        key=need.key,
        use_cache=need.use_cache,
        of_function=need.of_function,
        takes_tasks=other.takes_tasks,
        concurrency=need.concurrency,
    )


def _taking(parameter: inspect.Parameter) -> _Callable:
    """A function with this one parameter, for FastAPI to read; those that the call gives are none of its business."""

    def function(**_: object) -> None: ...

    default = parameter.default if is_depends(parameter.default) else inspect.Parameter.empty
    alone = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=default)
    function.__signature__ = inspect.Signature([alone])  # type: ignore[attr-defined]  # inspect looks there first
    return function


def _read(call: _Callable, what: str, **more: Any) -> Dependant:
    try:
        return get_dependant(path="/", call=call, **more)
    except Exception as error:  # FastAPI's own, its assertions, and pydantic's
        reason = str(error).strip().partition("\n")[0]
        raise CannotSolve(f"{what} cannot be solved, FastAPI says: {reason}") from error


def _refuse_requests(dependant: Dependant, what: str, path: Sequence[str]) -> None:
    for sub in dependant.dependencies:
        if sub.call is not provide:
            _refuse_requests(sub, what, (*path, _called(sub.call)))
    for parameter, need in _of_request(dependant):
        by = f" by {' → '.join(path)}" if path else ""
        raise CannotSolve(
            f"{what} cannot be solved in a task: {parameter!r} takes {need}{by}, and a task has no request. Pass what "
            "is needed as an argument of the task, or let it depend on something that needs no request."
        )


def _of_request(dependant: Dependant) -> Iterator[tuple[str, str]]:
    """The parameters that only a request can fill, each with what it takes."""
    fields = [
        (dependant.path_params, "a value from the path"),
        (dependant.query_params, "a value from the query"),
        (dependant.header_params, "a header"),
        (dependant.cookie_params, "a cookie"),
        (dependant.body_params, "the body"),
    ]
    yield from ((field.name, need) for some, need in fields for field in some)
    special = [
        (dependant.request_param_name, "the Request"),
        (dependant.websocket_param_name, "the WebSocket"),
        (dependant.http_connection_param_name, "the HTTPConnection"),
        (dependant.response_param_name, "the Response"),
        (dependant.security_scopes_param_name, "the SecurityScopes"),
    ]
    yield from ((name, need) for name, need in special if name is not None)


def _need_of(dependant: Dependant) -> Need:
    call = dependant.call
    assert call is not None, "only a route's own dependant may have none"
    kind = kind_of(call)
    scope = dependant.scope or ("request" if kind in (Kind.YIELDS, Kind.ASYNC_YIELDS) else "")
    return Need(
        name=dependant.name or "",
        call=call,
        kind=kind,
        needs=() if kind is Kind.TASKS else tuple(map(_need_of, dependant.dependencies)),
        key=(call, _scopes(dependant), scope),
        use_cache=dependant.use_cache,
        of_function=dependant.scope == "function",
        takes_tasks=dependant.background_tasks_param_name,
        concurrency=getattr(dependant, "concurrency", None),  # in newer versions of FastAPI
    )


def _scopes(dependant: Dependant) -> tuple[str, ...]:
    """Of `Security(...)`: with other scopes it is another dependency, if it or what it needs has scopes of its own."""
    if not _has_scopes(dependant):
        return ()
    return tuple(sorted({*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ())}))


def _has_scopes(dependant: Dependant) -> bool:
    return bool(dependant.own_oauth_scopes) or any(map(_has_scopes, dependant.dependencies))


def kind_of(call: _Callable) -> Kind:
    """As FastAPI tells them apart: by the function inside of partials and wrappers, or by an object's `__call__`."""
    if call is provide:
        return Kind.TASKS
    if _is(inspect.isasyncgenfunction, call):
        return Kind.ASYNC_YIELDS
    if _is(inspect.isgeneratorfunction, call):
        return Kind.YIELDS
    return Kind.ASYNC if _is(_is_coroutine_function, call) else Kind.PLAIN


def _is(kind: Callable[[Any], bool], call: _Callable) -> bool:
    bare: Any = _without_partials(call)
    inside: Any = inspect.unwrap(bare)
    if any(inspect.isroutine(it) and kind(it) for it in (bare, inside)):
        return True
    if inspect.isclass(inside):
        return False
    methods = [_without_partials(it.__call__) for it in (bare, inside)]
    return any(kind(it) or kind(inspect.unwrap(it)) for it in methods)


def _without_partials(call: _Callable) -> _Callable:
    while isinstance(call, functools.partial):
        call = call.func
    return call


def _called(call: object) -> str:
    return f"{getattr(call, '__qualname__', type(call).__qualname__)}()"
