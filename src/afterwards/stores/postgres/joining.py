"""Where the user's own transactions meet the database: the same rows as the store's, on a connection of theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol, cast

from afterwards import kept, links, stored
from afterwards.errors import CannotJoinTransaction
from afterwards.statements import parse
from afterwards.tasks import Call, Claim, Hold, Progress
from afterwards.transactions import Statement

if TYPE_CHECKING:
    import psycopg

JOINING: Mapping[str, str] = parse(
    files("afterwards.stores.postgres").joinpath("joining.sql").read_text(encoding="utf-8")
)
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")
_LONGEST = timedelta(days=366 * 8000)  # further on, no instant can be stored


class PostgresJoint:
    """`store` is the store's id, `offset` how far tests have set its clock ahead; `ring` wakes those who wait."""

    dialect = "postgresql"

    def __init__(self, store: str, offset: timedelta, ring: Callable[[], None]) -> None:
        self._store = store
        self._offset = _interval(offset)
        self.ring = ring

    def addition(self, calls: Sequence[Call]) -> Statement:
        listed = json.dumps([_row(place, call) for place, call in enumerate(calls)])
        return self._statement("join_calls", calls=listed, offset=self._offset)

    def lock_key(self, call: Call) -> Statement:
        return self._statement("join_lock_key", **_its_key(call))

    def twin(self, call: Call) -> Statement:
        return Statement(sql=JOINING["join_twin"], values={**_its_key(call), "offset": self._offset})

    def take_key(self, call: Call) -> Statement:
        return Statement(sql=JOINING["join_take_key"], values=_its_key(call))

    def ending(self, claim: Claim, *, took: timedelta, progress: Progress | None) -> Statement:
        fence = {"id": str(claim.id), "run": str(claim.run), "worker": claim.worker}
        said = "" if progress is None else kept.progress_text(progress)
        return self._statement("join_ending", **fence, took=_interval(took), progress=said, offset=self._offset)

    def release(self, claim: Claim) -> Statement:
        return Statement(sql=JOINING["join_release"], values={"id": str(claim.id)})

    def proof(self) -> Statement:
        return self._statement("join_proof")

    def hand(self, connection: object) -> PsycopgHand:
        if _driver_of(connection) != "psycopg":
            raise _foreign(connection)
        its = cast("psycopg.Connection", connection)
        _refuse_without_transaction(its)
        return PsycopgHand(its)

    def async_hand(self, connection: object) -> AsyncPsycopgHand | AsyncpgHand:
        driver = _driver_of(connection)
        if driver == "psycopg":
            its = cast("psycopg.AsyncConnection", connection)
            _refuse_without_transaction(its)
            return AsyncPsycopgHand(its)
        if driver != "asyncpg":
            raise _foreign(connection)
        its_own = cast("_AsyncpgConnection", connection)
        if not its_own.is_in_transaction():
            raise _not_begun("`async with connection.transaction():`")
        return AsyncpgHand(its_own)

    def _statement(self, name: str, /, **values: str) -> Statement:
        return Statement(sql=JOINING[name], values={**values, "store": self._store})


class PsycopgHand:
    """Writes on a connection of psycopg, with a cursor of the plain kind, whichever the user has set."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def run(self, statement: Statement) -> int:
        from psycopg import Cursor

        with Cursor(self._connection) as cursor:
            cursor.execute(_in_percents(statement.sql), statement.values)
            if cursor.rowcount < 0:  # in a pipeline, which has to be sent before it can answer
                with self._connection.pipeline() as pipeline:
                    pipeline.sync()
            return cursor.rowcount


class AsyncPsycopgHand:
    """The same for its asynchronous connection."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    async def run(self, statement: Statement) -> int:
        from psycopg import AsyncCursor

        async with AsyncCursor(self._connection) as cursor:
            await cursor.execute(_in_percents(statement.sql), statement.values)
            if cursor.rowcount < 0:
                async with self._connection.pipeline() as pipeline:
                    await pipeline.sync()
            return cursor.rowcount


class _AsyncpgConnection(Protocol):
    def is_in_transaction(self) -> bool: ...

    def execute(self, query: str, *args: object) -> Awaitable[str]: ...


class AsyncpgHand:
    """Writes on a connection of asyncpg."""

    def __init__(self, connection: _AsyncpgConnection) -> None:
        self._connection = connection

    async def run(self, statement: Statement) -> int:
        sql, names = _in_numbers(statement.sql)
        status = await self._connection.execute(sql, *(statement.values[name] for name in names))
        return int(status.rpartition(" ")[2])


@cache
def _in_percents(sql: str) -> bytes:
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%")).encode()


@cache
def _in_numbers(sql: str) -> tuple[str, tuple[str, ...]]:
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return _NAME.sub(lambda match: f"${names.index(match[1]) + 1}", sql), names


def _row(place: int, call: Call) -> dict[str, object]:
    return {
        "place": place,
        "id": str(call.id),
        "name": call.name,
        "arguments": call.arguments,
        "queue": call.queue,
        "priority": call.priority,
        "after": None if call.after is None else str(call.after),
        "due": _instant(call.due),
        "delay": _interval(call.delay),
        "crashes_allowed": call.crashes,
        "retry": None if call.retry is None else stored.retry_text(call.retry),
        "timeout": None if call.timeout is None else _interval(call.timeout),
        "deadline": _instant(call.deadline) if isinstance(call.deadline, datetime) else None,
        "time_left": _interval(call.deadline) if isinstance(call.deadline, timedelta) else None,
        "trace": call.trace,
        "key": call.key,
        "unique_for": None if call.unique_for is None else _interval(call.unique_for),
        "keeps": None if call.keeps is None else kept.keeps_text(call.keeps),
        "limit_key": call.limit_key,
        "chain": None if call.link is None else str(call.link.chain),
        "link": None if call.link is None else links.link_text(call.link),
        "held": Hold.AFTER if links.needs_others(call.link) else None,
    }


def _its_key(call: Call) -> dict[str, str]:
    return {"id": str(call.id), "name": call.name, "key": call.key or ""}


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else stored.instant(stored.microseconds_at(instant)).isoformat()


def _interval(duration: timedelta) -> str:
    """In seconds alone: a day of PostgreSQL's is not always 24 hours."""
    microseconds = stored.microseconds(min(duration, _LONGEST))
    return f"{microseconds} microseconds"


def _driver_of(connection: object) -> str:
    """The package of its class, or of one that this derives from."""
    packages = [kind.__module__.partition(".")[0] for kind in type(connection).__mro__]
    return next((package for package in packages if package in ("asyncpg", "psycopg")), packages[0])


def _refuse_without_transaction(connection: psycopg.Connection | psycopg.AsyncConnection) -> None:
    from psycopg.pq import TransactionStatus

    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        raise _not_begun("`with connection.transaction():`")


def _foreign(connection: object) -> CannotJoinTransaction:
    return CannotJoinTransaction(
        f"the tasks are in PostgreSQL, and a connection of {_driver_of(connection)} is not on it: give it one to that "
        "database, or point Afterwards(url=...) to the database of this one"
    )


def _not_begun(how: str) -> CannotJoinTransaction:
    return CannotJoinTransaction(
        f"no transaction has begun on this connection, which commits every statement by itself: begin one, {how}"
    )
