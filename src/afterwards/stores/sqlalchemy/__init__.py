"""SQLAlchemy at the stores in SQL: their tables as metadata, and the user's sessions and connections, which are joined.

`metadata` and `include_name` are for Alembic; the rest is for the house.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from afterwards.errors import CannotJoinTransaction
from afterwards.stores.sqlalchemy import connections, sessions
from afterwards.stores.sqlalchemy.connections import ConnectionHand
from afterwards.stores.sqlalchemy.ledger import Owner
from afterwards.stores.sqlalchemy.tables import TASKS, include_name, include_object, metadata
from afterwards.tasks import Call

__all__ = ["TASKS", "Owner", "attach", "dialect_of", "hand", "include_name", "include_object", "metadata", "write"]


def attach(transaction: object, owner: Owner, call: Call | None) -> None:
    """Let `owner` write `call` when the session or connection commits, and hear of the commit.

    Raises CannotJoinTransaction when no transaction has begun, and none begins by itself.
    """
    inner = _synchronous(transaction)
    if isinstance(inner, Session):
        sessions.attach(inner, owner, call, perhaps_within=isinstance(_present(transaction), Session))
    else:
        connections.attach(inner, owner, call)


def dialect_of(transaction: object) -> str:
    """The name of its database's dialect. Raises CannotJoinTransaction for a session that is bound to none."""
    inner = _synchronous(transaction)
    return sessions.dialect_of(inner) if isinstance(inner, Session) else inner.dialect.name


def hand(transaction: object) -> ConnectionHand:
    """Writes into a synchronous transaction now."""
    return _hand_of(_synchronous(transaction))


async def write(transaction: object, writing: Callable[[ConnectionHand], None]) -> None:
    """Call `writing` with a hand that writes into an asynchronous transaction now."""
    asynchronous = cast("_Asynchronous", _present(transaction))
    await asynchronous.run_sync(lambda inner: writing(_hand_of(inner)))


class _Asynchronous(Protocol):
    async def run_sync(self, work: Callable[[Session | Connection], None], /) -> None: ...


def _hand_of(inner: Session | Connection) -> ConnectionHand:
    return sessions.hand_of(inner) if isinstance(inner, Session) else ConnectionHand(inner)


def _present(transaction: object) -> object:
    """Of a scoped session, the one of this scope."""
    registry = cast("Callable[[], object] | None", getattr(transaction, "registry", None))
    return transaction if registry is None or isinstance(transaction, Session) else registry()


def _synchronous(transaction: object) -> Session | Connection:
    """What is inside of an asynchronous one."""
    present = _present(transaction)
    inner = getattr(present, "sync_session", None) or getattr(present, "sync_connection", None) or present
    if isinstance(inner, Session | Connection):
        return inner
    raise CannotJoinTransaction("this connection has not been started: take it from `async with engine.begin()`")
