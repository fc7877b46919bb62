"""The one place that imports asyncpg, and as much of it as is used here, with its types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar, cast

import asyncpg  # type: ignore[import-untyped]  # it brings no types

Row = Sequence[object]
Answer = TypeVar("Answer")
Ask = Callable[..., Awaitable[Answer]]


class Connection(Protocol):
    """A connection of asyncpg's: it belongs to the event loop that made it."""

    async def execute(self, query: str) -> str:
        """Run statements without values."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Run one statement; its rows."""
        ...

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, object], None]) -> None:
        """LISTEN."""
        ...

    def is_closed(self) -> bool:
        """It was closed, or lost."""
        ...

    async def close(self, *, timeout: float) -> None:
        """Say goodbye to the server."""
        ...

    def terminate(self) -> None:
        """Hang up; whoever waits for an answer gets an error."""
        ...


class Connect(Protocol):
    """How one is made."""

    async def __call__(
        self,
        dsn: str,
        *,
        timeout: float,
        statement_cache_size: int,
        server_settings: Mapping[str, str],
        ssl: bool | None,
        target_session_attrs: str | None,
    ) -> Connection: ...


class OutOfStep(Exception):
    """The driver raised what it does not declare, such as TypeError, and its connection is of no use any more.

    asyncpg does so when the server's last words come before the connection is seen to end: it takes them for the
    answer to something else, or does not know what its own state allows.
    """


_DECLARED = cast("tuple[type[Exception], ...]", (asyncpg.PostgresError, asyncpg.InterfaceError, OSError))


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # it brings no types
    """One that says when it is out of step."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        ask = cast("Ask[str]", super().execute)  # pyright: ignore[reportUnknownMemberType]  # it brings no types
        return await _in_step(ask, query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: object, **options: object) -> list[Row]:
        ask = cast("Ask[list[Row]]", super().fetch)  # pyright: ignore[reportUnknownMemberType]  # it brings no types
        return await _in_step(ask, query, *args, **options)


async def _in_step(ask: Ask[Answer], *args: object, **options: object) -> Answer:
    try:
        return await ask(*args, **options)
    except _DECLARED:
        raise
    except Exception as error:
        raise OutOfStep(f"the driver is out of step with the server: {error}") from error


connect = cast("Connect", partial(asyncpg.connect, connection_class=_Connection))  # pyright: ignore[reportUnknownMemberType]  # it brings no types

# What is raised for an option of the URL that the driver does not take.
WrongOption = cast("type[Exception]", asyncpg.ClientConfigurationError)


def code_of(error: BaseException) -> str:
    """The five characters by which PostgreSQL names an error, or nothing."""
    return cast("str", getattr(error, "sqlstate", None) or "")
