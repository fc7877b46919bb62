"""What the verbs write and read through: runs named statements on a connection, with the store's clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

from afterwards.stores.postgres.driver import Connection, Row
from afterwards.stores.postgres.statements import STATEMENTS


class Transaction:
    """One transaction, or one statement that is its own. `rings` says that somebody may have work to claim.

    `offset` is how far tests have set the clock ahead. `sent_again`: a write like this may have been done already, and
    its answer was lost.
    """

    def __init__(self, connection: Connection, offset: timedelta, *, sent_again: bool = False) -> None:
        self._connection = connection
        self._offset = offset
        self.sent_again = sent_again
        self.rings = False

    async def rows(self, name: str, /, **values: object) -> list[Row]:
        """Run a statement; its rows."""
        statement = STATEMENTS[name]
        return await self._connection.fetch(statement.sql, *statement.places({"offset": self._offset, **values}))

    async def execute(self, name: str, /, **values: object) -> None:
        """Run a statement that brings nothing."""
        await self.rows(name, **values)

    async def number(self, name: str, /, **values: object) -> int:
        """The one number that a statement brings."""
        [[number]] = await self.rows(name, **values)
        return cast("int", number)

    @asynccontextmanager
    async def part(self) -> AsyncGenerator[None]:
        """What is written inside is undone if the block raises, and only that."""
        await self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            await self._connection.execute("ROLLBACK TO part")
            raise
        await self._connection.execute("RELEASE part")
