"""Functions with dependencies of every shape, each of which may be an endpoint as well as a task.

What they do they write into the diary, so that what FastAPI does in a request can be laid beside what is done in a
task.
"""

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

from fastapi import Depends, Security
from typing_extensions import TypeAliasType

from afterwards import SOLVED
from tests.doors.diary import diary

Shape = Callable[..., Any]


def where() -> str:
    """Whether this runs in an event loop or in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "in a thread"
    return "in the loop"


# Functions


def plain() -> str:
    diary.write(f"plain {where()}")
    return "plain"


async def coroutine() -> str:
    diary.write(f"coroutine {where()}")
    return "coroutine"


async def both_by_default(one: str = Depends(plain), two: str = Depends(coroutine)) -> None:
    diary.write(f"task has {one}, {two}")


async def both_annotated(one: Annotated[str, Depends(plain)], two: Annotated[str, Depends(coroutine)]) -> None:
    diary.write(f"task has {one}, {two}")


def both_in_a_thread(one: Annotated[str, Depends(plain)], *, two: Annotated[str, Depends(coroutine)] = SOLVED) -> None:
    diary.write(f"task has {one}, {two} {where()}")


# What is needed in turn, and what is kept


def counted() -> object:
    diary.write("counted")
    return object()


def left(it: Annotated[object, Depends(counted)]) -> object:
    diary.write("left")
    return it


async def right(it: object = Depends(counted)) -> object:
    diary.write("right")
    return it


def uncached(it: Annotated[object, Depends(counted, use_cache=False)]) -> object:
    return it


async def shared(
    one: Annotated[object, Depends(left)], two: Annotated[object, Depends(right)], three: object = Depends(left)
) -> None:
    diary.write(f"the same: {one is two is three}")


async def not_shared(
    one: Annotated[object, Depends(uncached)],
    two: Annotated[object, Depends(counted)],
    three: Annotated[object, Depends(uncached, use_cache=False)],
) -> None:
    diary.write(f"the same: {one is two}, {two is three}")


async def scoped(
    one: Annotated[object, Security(left, scopes=["read"])],
    two: Annotated[object, Security(left, scopes=["write"])],
    three: Annotated[object, Security(left, scopes=["write"])],
) -> None:
    diary.write(f"the same: {one is two}, {two is three}")


# Classes and objects


class Settings:
    def __init__(self) -> None:
        diary.write(f"settings {where()}")


class Mailer:
    def __init__(self, settings: Annotated[Settings, Depends()], word: str = Depends(plain)) -> None:
        diary.write(f"mailer with {type(settings).__name__}, {word}")


class Calls:
    def __call__(self, mailer: Annotated[Mailer, Depends()]) -> str:
        return f"called {where()}"


class Awaits:
    async def __call__(self) -> str:
        return f"awaited {where()}"


class Yields:
    def __call__(self) -> Iterator[str]:
        diary.write(f"opened {where()}")
        yield "yielded"
        diary.write(f"closed {where()}")


class YieldsAsync:
    async def __call__(self) -> AsyncIterator[str]:
        yield "yielded async"
        diary.write(f"closed {where()}")


MailerAlias = TypeAliasType("MailerAlias", Annotated[Mailer, Depends()])


async def classes(mailer: Mailer = Depends(), again: Annotated[Mailer, Depends(Mailer)] = SOLVED) -> None:
    diary.write(f"task has a {type(mailer).__name__}: {mailer is again}")


async def aliased(mailer: MailerAlias) -> None:
    diary.write(f"task has a {type(mailer).__name__}")


async def objects(
    a: Annotated[str, Depends(Calls())],
    b: Annotated[str, Depends(Awaits())],
    c: Annotated[str, Depends(Yields())],
    d: Annotated[str, Depends(YieldsAsync())],
) -> None:
    diary.write(f"task has {a}, {b}, {c}, {d}")


def with_word(word: str, text: Annotated[str, Depends(plain)]) -> str:
    return f"{word} {text} {where()}"


async def with_word_async(word: str) -> str:
    return f"{word} {where()}"


def watched(function: Shape) -> Shape:
    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        diary.write(f"watched {where()}")
        return function(*args, **kwargs)

    return around


async def partials_and_wrappers(
    a: Annotated[str, Depends(functools.partial(with_word, "hello"))],
    b: Annotated[str, Depends(functools.partial(with_word_async, "hello"))],
    c: Annotated[str, Depends(watched(coroutine))],
    d: Annotated[object, Depends(watched(left))],
) -> None:
    diary.write(f"task has {a}, {b}, {c}")


# With yield


def opened() -> Iterator[str]:
    diary.write(f"opened {where()}")
    try:
        yield "opened"
    except Exception as error:
        diary.write(f"opened saw {error!r}")
        raise
    finally:
        diary.write(f"opened is closed {where()}")


async def opened_async(first: Annotated[str, Depends(opened)]) -> AsyncIterator[str]:
    diary.write(f"{first} async")
    try:
        yield "opened async"
    except Exception as error:
        diary.write(f"opened async saw {error!r}")
        raise
    finally:
        diary.write(f"opened async is closed {where()}")


async def of_function() -> AsyncIterator[str]:
    yield "of the function"
    diary.write("of the function is closed")


def of_function_too() -> Iterator[str]:
    yield "of the function too"
    diary.write("of the function too is closed")


async def yields(it: Annotated[str, Depends(opened_async)], again: Annotated[str, Depends(opened)]) -> None:
    diary.write(f"task has {it}, {again}")


def yields_in_a_thread(it: Annotated[str, Depends(opened_async)]) -> None:
    diary.write(f"task has {it} {where()}")


async def both_scopes(
    a: Annotated[str, Depends(of_function, scope="function")],
    b: Annotated[str, Depends(opened)],
    c: Annotated[str, Depends(of_function_too, scope="function")],
    d: Annotated[str, Depends(opened_async)],
    e: Annotated[str, Depends(of_function)],
) -> None:
    diary.write(f"task has {a}, {b}, {c}, {d}, {e}")


async def raises(it: Annotated[str, Depends(opened_async)]) -> None:
    raise ValueError(it)


def raises_in_a_thread(it: Annotated[str, Depends(opened_async)]) -> None:
    raise ValueError(it)


def swallows() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        diary.write(f"swallowed {error!r}")


async def replaces() -> AsyncIterator[None]:
    try:
        yield
    except ValueError as error:
        raise LookupError("in its place") from error


async def raises_into_one_that_swallows(
    outer: Annotated[str, Depends(opened)], it: Annotated[None, Depends(swallows)]
) -> None:
    raise ValueError("lost?")


async def raises_into_one_that_replaces(
    outer: Annotated[str, Depends(opened)], it: Annotated[None, Depends(replaces)]
) -> None:
    raise ValueError("replaced")


def fails_to_open() -> str:
    raise LookupError("no mailer")


async def cannot_open(first: Annotated[str, Depends(opened)], it: Annotated[str, Depends(fails_to_open)]) -> None:
    diary.write("never")


def fails_to_close() -> Iterator[str]:
    yield "open"
    raise OSError("cannot commit")


async def cannot_close(first: Annotated[str, Depends(opened)], it: Annotated[str, Depends(fails_to_close)]) -> None:
    diary.write(f"task has {it}")


async def cannot_close_function(
    first: Annotated[str, Depends(opened)], it: Annotated[str, Depends(fails_to_close, scope="function")]
) -> None:
    diary.write(f"task has {it}")


# In the context

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


async def set_tenant() -> AsyncIterator[None]:
    token = tenant.set("ada")
    yield
    diary.write(f"still {tenant.get()}")
    tenant.reset(token)


async def in_context(it: Annotated[None, Depends(set_tenant)]) -> None:
    diary.write(f"for {tenant.get()}")


ENDS_WELL: list[Shape] = [
    both_by_default,
    both_annotated,
    both_in_a_thread,
    shared,
    not_shared,
    scoped,
    classes,
    aliased,
    objects,
    partials_and_wrappers,
    yields,
    yields_in_a_thread,
    both_scopes,
    in_context,
]
ENDS_BADLY: dict[Shape, str] = {
    raises: "ValueError",
    raises_in_a_thread: "ValueError",
    raises_into_one_that_swallows: "ValueError",
    raises_into_one_that_replaces: "LookupError",
    cannot_open: "LookupError",
    cannot_close: "OSError",
    cannot_close_function: "OSError",
}
