"""What all desks of a store know of its database: where it is, which store it holds, and whether notices come through.

It also makes each new connection ready for use.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import cast

from afterwards.errors import StoreUnusable
from afterwards.migrations import Schema
from afterwards.stores.postgres.address import Address
from afterwards.stores.postgres.driver import Connection
from afterwards.stores.postgres.link import connect_to
from afterwards.stores.postgres.migrations import migrate, schema_of
from afterwards.stores.postgres.statements import sql_of
from afterwards.stores.postgres.trouble import CannotConnect, is_wrong_setup, told, unusable

_HEARS_WITHIN = 1.0
_READING = "reading the schema"
_DEAF = (
    "notices between processes do not come through, as behind a pooler in transaction mode: a task that another "
    "process adds is noticed within a second; add pooled=true to the URL, or name the server itself"
)


class Base:
    """`patience`: how many seconds a caller waits for a database that is away; `offset` advances the clock in tests."""

    def __init__(self, address: Address, *, patience: float, migrates: bool) -> None:
        self.address = address
        self.patience = patience
        self.migrates = migrates
        self.offset = timedelta(0)
        self.identity: str | None = None
        self.is_deaf = False

    @property
    def place(self) -> str:
        """In words."""
        return self.address.description

    @property
    def channel(self) -> str:
        """Where notices of this store are given."""
        return f"afterwards_{self.identity}"

    async def schema(self) -> Schema:
        """Where the schema stands; reads only, on a connection of its own."""
        try:
            connection = await connect_to(self.address, timeout=self.patience)
        except CannotConnect as error:
            raise unusable(error, self.place) if is_wrong_setup(error) else told(error, _READING, self.place) from error
        try:
            return await schema_of(connection, self.place)
        except StoreUnusable:
            raise
        except Exception as error:  # of the server, the driver or the network
            raise told(error, _READING, self.place) from error
        finally:
            connection.terminate()

    def warnings(self) -> list[str]:
        """What is unsafe, or slower than it could be."""
        return [_DEAF] if self.is_deaf else []

    async def prepare(self, connection: Connection) -> None:
        """Bring the schema up to date and learn which store this is."""
        await migrate(connection, self.place, allowed=self.migrates)
        [[identity]] = await connection.fetch(sql_of("store_id"))
        self.identity = cast("str", identity)

    async def prepare_to_listen(self, connection: Connection, heard: Callable[[], None]) -> None:
        """The same, and listen for notices; learn whether any come through."""
        await self.prepare(connection)
        if self.address.pooled:
            return
        came, own = asyncio.Event(), [0]

        def hear(_: object, pid: int, __: str, ___: object) -> None:
            came.set()
            if pid != own[0]:
                heard()

        await connection.add_listener(self.channel, hear)
        [[pid]] = await connection.fetch(sql_of("notify_oneself"), self.channel)
        own[0] = cast("int", pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARS_WITHIN):
                await came.wait()
        self.is_deaf = not came.is_set()
