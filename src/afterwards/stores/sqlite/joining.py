"""Where the user's own transactions meet the file: the same rows as the writer's, on a connection of theirs."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, cast

from afterwards import kept, links, stored
from afterwards.errors import CannotJoinTransaction
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.clock import Clock
from afterwards.stores.sqlite.rows import Place
from afterwards.stores.sqlite.statements import STATEMENTS
from afterwards.stores.sqlite.transaction import as_list
from afterwards.tasks import Call, Claim, Progress
from afterwards.transactions import Statement


class SQLiteJoint:
    """`store` is the store's id, `ring` wakes those who wait in this process; others look for themselves."""

    dialect = "sqlite"

    def __init__(self, store: str, clock: Clock, ring: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self.ring = ring

    def addition(self, calls: Sequence[Call]) -> Statement:
        now = self._clock.now()
        listed = as_list(
            [rows.call_row(Place(call, is_held=links.needs_others(call.link), claimer=None), now) for call in calls]
        )
        return self._statement("join_calls", calls=listed)

    def lock_key(self, call: Call) -> Statement:
        return self._statement("join_lock_key", **_its_key(call))

    def twin(self, call: Call) -> Statement:
        return Statement(sql=STATEMENTS["join_twin"], values={**_its_key(call), "now": self._clock.now()})

    def take_key(self, call: Call) -> Statement:
        return Statement(sql=STATEMENTS["join_take_key"], values=_its_key(call))

    def ending(self, claim: Claim, *, took: timedelta, progress: Progress | None) -> Statement:
        now = self._clock.now()
        fence: dict[str, str | int] = {"id": str(claim.id), "run": claim.run, "worker": claim.worker}
        said = "" if progress is None else kept.progress_text(progress)
        began = stored.earlier(now, took)
        return self._statement("join_ending", **fence, now=now, began=began, progress=said)

    def release(self, claim: Claim) -> Statement:
        return Statement(sql=STATEMENTS["join_release"], values={"id": str(claim.id)})

    def proof(self) -> Statement:
        return self._statement("join_proof")

    def hand(self, connection: object) -> SQLiteHand:
        if not isinstance(connection, sqlite3.Connection):
            raise _foreign(connection)
        if not connection.in_transaction and _commits_by_itself(connection):
            raise _not_begun()
        return SQLiteHand(connection)

    def async_hand(self, connection: object) -> AsyncSQLiteHand:
        if type(connection).__module__.partition(".")[0] != "aiosqlite":
            raise _foreign(connection)
        its = cast("_AsyncConnection", connection)
        if not its.in_transaction and its.isolation_level is None:
            raise _not_begun()
        return AsyncSQLiteHand(its)

    def _statement(self, name: str, /, **values: str | int) -> Statement:
        return Statement(sql=STATEMENTS[name], values={**values, "store": self._store})


class SQLiteHand:
    """Writes on a connection of sqlite3."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: Statement) -> int:
        return self._connection.execute(statement.sql, dict(statement.values)).rowcount


class _Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    async def close(self) -> None: ...


class _AsyncConnection(Protocol):
    @property
    def in_transaction(self) -> bool: ...

    @property
    def isolation_level(self) -> str | None: ...

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Awaitable[_Cursor]: ...


class AsyncSQLiteHand:
    """Writes on a connection of aiosqlite."""

    def __init__(self, connection: _AsyncConnection) -> None:
        self._connection = connection

    async def run(self, statement: Statement) -> int:
        cursor = await self._connection.execute(statement.sql, dict(statement.values))
        changed = cursor.rowcount
        await cursor.close()
        return changed


def _its_key(call: Call) -> dict[str, str]:
    return {"id": str(call.id), "name": call.name, "key": call.key or ""}


def _commits_by_itself(connection: sqlite3.Connection) -> bool:
    """Every statement stands alone: `autocommit` says so since Python 3.12, before it `isolation_level`."""
    autocommit = getattr(connection, "autocommit", None)
    return autocommit is True or (autocommit is not False and connection.isolation_level is None)


def _foreign(connection: object) -> CannotJoinTransaction:
    kind = type(connection)
    return CannotJoinTransaction(
        f"the tasks are in a SQLite file, and a connection of {kind.__module__.partition('.')[0]} is not on it: give "
        "it a connection to that file, or point Afterwards(url=...) to the database of this one"
    )


def _not_begun() -> CannotJoinTransaction:
    return CannotJoinTransaction(
        "no transaction has begun on this connection, which commits every statement by itself: execute BEGIN first"
    )
