"""The kinds of transaction that a user may have, each with one way to write, commit, roll back and use savepoints."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any

import aiosqlite
import asyncpg  # type: ignore[import-untyped]  # it brings no types
import psycopg
import sqlalchemy
import sqlmodel
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlmodel.ext.asyncio.session import AsyncSession as SQLModelAsyncSession

INSERT = "INSERT INTO people (name) VALUES ('{}')"


class Dealing:
    """One transaction. `transaction` is what the user would hand over."""

    def __init__(self, transaction: Any) -> None:
        self.transaction = transaction

    async def write(self, name: str) -> None:
        await self.run(INSERT.format(name))

    async def run(self, sql: str) -> None:
        raise NotImplementedError

    async def begin_again(self) -> None:
        """Where no statement does it by itself."""

    async def commit(self) -> None:
        raise NotImplementedError

    async def rollback(self) -> None:
        raise NotImplementedError

    async def savepoint(self, name: str) -> Any:
        """What `release` or `undo` takes."""
        await self.run(f"SAVEPOINT {name}")
        return name

    async def release(self, savepoint: Any) -> None:
        await self.run(f"RELEASE SAVEPOINT {savepoint}")

    async def undo(self, savepoint: Any) -> None:
        await self.run(f"ROLLBACK TO SAVEPOINT {savepoint}")


class OfSQLAlchemy(Dealing):
    """A Session or a Connection."""

    async def run(self, sql: str) -> None:
        is_session = isinstance(self.transaction, Session)
        connection = self.transaction.connection() if is_session else self.transaction
        connection.execute(sqlalchemy.text(sql))

    async def begin_again(self) -> None:
        if not self.transaction.in_transaction():
            self.transaction.begin()

    async def commit(self) -> None:
        self.transaction.commit()

    async def rollback(self) -> None:
        self.transaction.rollback()

    async def savepoint(self, name: str) -> Any:
        return self.transaction.begin_nested()

    async def release(self, savepoint: Any) -> None:
        savepoint.commit()

    async def undo(self, savepoint: Any) -> None:
        savepoint.rollback()


class OfSQLAlchemyAsync(Dealing):
    """An AsyncSession or an AsyncConnection."""

    async def run(self, sql: str) -> None:
        if isinstance(self.transaction, AsyncSession):
            await (await self.transaction.connection()).execute(sqlalchemy.text(sql))
        else:
            await self.transaction.execute(sqlalchemy.text(sql))

    async def begin_again(self) -> None:
        if not self.transaction.in_transaction():
            await self.transaction.begin()

    async def commit(self) -> None:
        await self.transaction.commit()

    async def rollback(self) -> None:
        await self.transaction.rollback()

    async def savepoint(self, name: str) -> Any:
        return await self.transaction.begin_nested()

    async def release(self, savepoint: Any) -> None:
        await savepoint.commit()

    async def undo(self, savepoint: Any) -> None:
        await savepoint.rollback()


class OfSQLite3(Dealing):
    """A connection of sqlite3 or psycopg."""

    async def run(self, sql: str) -> None:
        self.transaction.execute(sql)

    async def commit(self) -> None:
        self.transaction.commit()

    async def rollback(self) -> None:
        self.transaction.rollback()


class OfAwaited(Dealing):
    """A connection of aiosqlite or psycopg's asynchronous one."""

    async def run(self, sql: str) -> None:
        await self.transaction.execute(sql)

    async def commit(self) -> None:
        await self.transaction.commit()

    async def rollback(self) -> None:
        await self.transaction.rollback()


class OfAsyncpg(Dealing):
    """A connection of asyncpg, in a transaction."""

    async def run(self, sql: str) -> None:
        await self.transaction.execute(sql)

    async def begin_again(self) -> None:
        if not self.transaction.is_in_transaction():
            await self.run("BEGIN")

    async def commit(self) -> None:
        await self.run("COMMIT")

    async def rollback(self) -> None:
        await self.run("ROLLBACK")


Opening = Callable[[str], AbstractAsyncContextManager[Dealing]]


def _sync(driver: str, make: Callable[[Any], Any]) -> Opening:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Dealing]:
        engine = sqlalchemy.create_engine(_with_driver(url, driver))
        try:
            with make(engine) as transaction:
                _begin(transaction)
                yield OfSQLAlchemy(transaction)
        finally:
            engine.dispose()

    return opened


def _async(driver: str, make: Callable[[Any], Any]) -> Opening:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Dealing]:
        options = {"connect_args": {"ssl": False}} if driver == "asyncpg" else {}
        engine = create_async_engine(_with_driver(url, driver), **options)
        try:
            async with make(engine) as transaction:
                if not isinstance(transaction, AsyncSession):
                    await transaction.begin()
                yield OfSQLAlchemyAsync(transaction)
        finally:
            await engine.dispose()

    return opened


def _begin(transaction: Any) -> None:
    if not isinstance(transaction, Session):
        transaction.begin()


@asynccontextmanager
async def _sqlite3(url: str) -> AsyncIterator[Dealing]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        yield OfSQLite3(connection)


@asynccontextmanager
async def _aiosqlite(url: str) -> AsyncIterator[Dealing]:
    async with aiosqlite.connect(url.removeprefix("sqlite:///")) as connection:
        yield OfAwaited(connection)


@asynccontextmanager
async def _psycopg(url: str) -> AsyncIterator[Dealing]:
    with closing(psycopg.connect(url)) as connection:
        yield OfSQLite3(connection)


@asynccontextmanager
async def _psycopg_async(url: str) -> AsyncIterator[Dealing]:
    async with closing_async(await psycopg.AsyncConnection.connect(url)) as connection:
        yield OfAwaited(connection)


@asynccontextmanager
async def _asyncpg(url: str) -> AsyncIterator[Dealing]:
    async with closing_async(await asyncpg.connect(url, ssl=False)) as connection:
        await connection.execute("BEGIN")
        yield OfAsyncpg(connection)


@asynccontextmanager
async def _asyncpg_pool(url: str) -> AsyncIterator[Dealing]:
    async with asyncpg.create_pool(url, min_size=1, ssl=False) as pool, pool.acquire() as connection:
        await connection.execute("BEGIN")
        yield OfAsyncpg(connection)


@asynccontextmanager
async def closing_async(connection: Any) -> AsyncIterator[Any]:
    try:
        yield connection
    finally:
        await connection.close()


def _with_driver(url: str, driver: str) -> str:
    kind, rest = url.split("://", 1)
    return f"{kind}+{driver}://{rest}" if driver else url


def _of_sqlalchemy(name: str, sync_driver: str, async_driver: str) -> dict[str, Opening]:
    return {
        f"{name} Session": _sync(sync_driver, Session),
        f"{name} AsyncSession": _async(async_driver, AsyncSession),
        f"{name} SQLModel Session": _sync(sync_driver, sqlmodel.Session),
        f"{name} SQLModel AsyncSession": _async(async_driver, SQLModelAsyncSession),
        f"{name} Connection": _sync(sync_driver, lambda engine: engine.connect()),
        f"{name} AsyncConnection": _async(async_driver, lambda engine: engine.connect()),
    }


KINDS: dict[str, Opening] = {
    **_of_sqlalchemy("SQLite", "", "aiosqlite"),
    "SQLite sqlite3": _sqlite3,
    "SQLite aiosqlite": _aiosqlite,
    **_of_sqlalchemy("PostgreSQL", "psycopg", "asyncpg"),
    "PostgreSQL AsyncSession on psycopg": _async("psycopg", AsyncSession),
    "PostgreSQL asyncpg": _asyncpg,
    "PostgreSQL asyncpg from a pool": _asyncpg_pool,
    "PostgreSQL psycopg": _psycopg,
    "PostgreSQL psycopg async": _psycopg_async,
}

ATTACHED = [name for name in KINDS if name.endswith(("Session", "Connection", "on psycopg"))]
AWAITED = [name for name in KINDS if name.endswith(("aiosqlite", "asyncpg", "a pool", "psycopg async"))]
SYNCHRONOUS = [name for name in KINDS if name.endswith((" Session", " Connection", "sqlite3", "PostgreSQL psycopg"))]
