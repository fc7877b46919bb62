"""Functions of the kinds that people add as tasks."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
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
