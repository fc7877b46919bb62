"""The one place that imports asyncpg, and as much of it as is used here, with its types. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

import asyncpg  # type: ignore[import-untyped]  # it brings no types

Row = Sequence[object]


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


connect = cast("Connect", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]  # it brings no types

# What is raised for an option of the URL that the driver does not take.
WrongOption = cast("type[Exception]", asyncpg.ClientConfigurationError)


def code_of(error: BaseException) -> str:
    """The five characters by which PostgreSQL names an error, or nothing."""
    return cast("str", getattr(error, "sqlstate", None) or "")
