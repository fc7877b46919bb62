"""Attaches to a Connection: what was added is written when the connection commits.

A savepoint that is released writes what was added in it. The events of a connection come before what they tell, so
who waits for tasks is woken when the connection begins anew or goes back to its pool.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from sqlalchemy import Connection, TextClause, event, text
from sqlalchemy.engine import ExceptionContext, TwoPhaseTransaction
from sqlalchemy.pool import ConnectionPoolEntry

from afterwards.errors import CannotJoinTransaction
from afterwards.stores.sqlalchemy.ledger import Entry, Ledger, Owner, tell
from afterwards.tasks import Call
from afterwards.transactions import Statement

_LEDGER, _COMMITTED = "afterwards.ledger", "afterwards.committed"  # in the connection's own `info`


class ConnectionHand:
    """Writes on a connection of SQLAlchemy. Raises CannotJoinTransaction for one that commits every statement."""

    def __init__(self, connection: Connection) -> None:
        if _commits_by_itself(connection):
            raise CannotJoinTransaction(
                "this connection commits every statement by itself, so that nothing holds the task and your rows "
                "together: take one whose isolation level is not AUTOCOMMIT"
            )
        self._connection = connection

    def run(self, statement: Statement) -> int:
        return self._connection.execute(_clause(statement.sql), dict(statement.values)).rowcount


def attach(connection: Connection, owner: Owner, call: Call | None) -> None:
    """Let `owner` write `call` when the connection commits, and hear of it.

    Raises CannotJoinTransaction when no transaction has begun on it, or one in two phases.
    """
    transaction = connection.get_transaction()
    if transaction is None:
        raise CannotJoinTransaction(
            "no transaction has begun on this connection: take it from engine.begin(), or call connection.begin()"
        )
    if isinstance(transaction, TwoPhaseTransaction):
        raise CannotJoinTransaction("a connection that commits in two phases cannot be joined: use a Session")
    _ledger_of(connection).add(owner, call, _innermost(connection))


def _commits_by_itself(connection: Connection) -> bool:
    """As its driver says. On SQLite `BEGIN` may have been executed by hand, as SQLAlchemy's page on it proposes."""
    lent = connection.connection
    driver = lent.driver_connection
    if connection.dialect.name == "sqlite" and driver is not None and driver.isolation_level is None:
        return not driver.in_transaction
    return getattr(lent.dbapi_connection, "autocommit", None) is True


@cache
def _clause(sql: str) -> TextClause:
    return text(sql)


def _ledger_of(connection: Connection) -> Ledger:
    ledger = cast("Ledger | None", connection.info.get(_LEDGER))
    if ledger is None:
        ledger = connection.info[_LEDGER] = Ledger()
        for name, ear in _EARS.items():
            if not event.contains(connection, name, ear):
                event.listen(connection, name, ear)
        engine = connection.engine
        if not event.contains(engine.pool, "checkin", _given_back):
            event.listen(engine.pool, "checkin", _given_back)
        if not event.contains(engine, "handle_error", _failed):
            event.listen(engine, "handle_error", _failed)
    return ledger


def _innermost(connection: Connection) -> object:
    return connection.get_nested_transaction() or connection.get_transaction()


def _begun(connection: Connection) -> None:
    _tell(connection.info)


def _savepoint(connection: Connection, name: str | None) -> None:
    _ledger_of(connection).pass_on(None, _innermost(connection))


def _release(connection: Connection, name: str, _: None) -> None:
    ledger, savepoint = _ledger_of(connection), _innermost(connection)
    ledger.pass_on(None, savepoint)
    ledger.write(ConnectionHand(connection), savepoint)
    ledger.pass_on(savepoint, None)


def _roll_back_savepoint(connection: Connection, name: str, _: None) -> None:
    ledger, savepoint = _ledger_of(connection), _innermost(connection)
    ledger.pass_on(None, savepoint)
    ledger.drop(savepoint)


def _commit(connection: Connection) -> None:
    ledger = _ledger_of(connection)
    ledger.pass_on(None, _innermost(connection))
    for within in ledger.places():
        if getattr(within, "is_active", False):  # also a savepoint that was left open, which is committed as well
            ledger.write(ConnectionHand(connection), within)
        else:  # one that was rolled back from outside
            ledger.drop(within)
    connection.info[_COMMITTED] = ledger.take()


def _roll_back(connection: Connection) -> None:
    _ledger_of(connection).take()
    connection.info.pop(_COMMITTED, None)


_EARS: dict[str, Callable[..., None]] = {
    "begin": _begun,
    "savepoint": _savepoint,
    "release_savepoint": _release,
    "rollback_savepoint": _roll_back_savepoint,
    "commit": _commit,
    "rollback": _roll_back,
}


def _failed(context: ExceptionContext) -> None:
    """If it was the commit, it does not come to pass. Whatever else fails has begun, and was told of it then."""
    connection = context.connection
    if connection is not None and not connection.closed and not connection.invalidated:
        connection.info.pop(_COMMITTED, None)


def _given_back(_: object, record: ConnectionPoolEntry) -> None:
    record.info.pop(_LEDGER, None)
    _tell(record.info)


def _tell(notes: dict[str, object]) -> None:
    committed = cast("list[Entry] | None", notes.pop(_COMMITTED, None))
    if committed:
        tell(committed)
