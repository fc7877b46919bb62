"""Functions of the kinds that people add as tasks."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from nowhere import Unseen  # type: ignore[import-not-found]  # it exists for type checkers only


class Person(BaseModel):
    name: str
    age: int = 0


def send(to: str, text: str = "", *, copies: int = 1) -> None: ...


async def send_later(to: str) -> None: ...


def greet(person: Person) -> None: ...


def look_at(unseen: Unseen, count: int) -> None: ...


def anything(value, *rest, **named): ...  # as many functions are written


class Mailer:
    @staticmethod
    def send_one(to: str) -> None: ...

    @classmethod
    def send_many(cls, to: list[str]) -> type:
        return cls

    @staticmethod
    def send_each(to: list[str]) -> Iterator[str]:
        yield from to

    @classmethod
    def send_every(cls, to: list[str]) -> Iterator[str]:
        yield from to

    def send_mine(self, to: str) -> None: ...

    class Inner:
        @staticmethod
        def send_one(to: str) -> None: ...


class SpecialMailer(Mailer):
    pass


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that passes everything on."""

    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return around


def with_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that completes the call."""

    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        return function("a session", *args, **kwargs)

    return around


def logged_async(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def around(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return around


class Remembering:
    """A decorator that is an object, with the name of what it wraps."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


@logged
def send_logged(to: str) -> None: ...


@with_session
def send_with_session(session: object, to: str) -> str:
    return f"{session}, {to}"


@logged_async
async def send_logged_later(to: str) -> None: ...


@Remembering
def send_remembered(to: str) -> None: ...


@functools.lru_cache
def send_once(to: str) -> str:
    return to


def send_piecemeal(to: str) -> Iterator[str]:
    yield to


async def send_piecemeal_later(to: str) -> AsyncIterator[str]:
    yield to


@contextlib.contextmanager
def sending(to: str) -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def sending_later(to: str) -> AsyncIterator[None]:
    yield


@sending("a@example.org")
def send_inside(to: str) -> None: ...


def driven(function: Callable[..., Iterator[Any]]) -> Callable[..., list[Any]]:
    """A decorator that runs what it wraps to its end."""

    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> list[Any]:
        return list(function(*args, **kwargs))

    return around


@driven
def send_driven(to: str) -> Iterator[str]:
    yield to


class Caller:
    async def __call__(self, to: str) -> None: ...


def make_closure() -> Callable[[], None]:
    def closure() -> None: ...

    return closure


a_lambda = lambda: None  # noqa: E731  # the point of it
a_partial = functools.partial(send, "a@example.org")
another_name_for_send = send
moved = send


def moved_away() -> None: ...


original_moved_away = moved_away
del moved_away


def limited(user_id: int, host: str = "localhost") -> None:
    """Has a default, and arguments by which it may be limited."""
