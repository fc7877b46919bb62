"""The user's own transactions: what may be one, and what a store in SQL tells so that they can write to its tables.

It looks at the names of types alone, so that no driver is imported for it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import groupby
from typing import Protocol, TypeAlias

from afterwards.errors import CannotJoinTransaction, LeaseLost
from afterwards.tasks import Call, Claim, Progress


class Committing(Protocol):
    """A session or connection of SQLAlchemy or SQLModel, or a connection of psycopg, sqlite3 or aiosqlite."""

    def commit(self) -> object: ...

    def rollback(self) -> object: ...


class InTransaction(Protocol):
    """A connection of asyncpg, its own or lent by a pool."""

    def is_in_transaction(self) -> bool: ...


Transaction: TypeAlias = Committing | InTransaction


class Kind(StrEnum):
    """How a transaction is written to."""

    ATTACHED = "attached"  # when it commits
    ATTACHED_ASYNC = "attached async"  # when it commits, and what is written at once has to be awaited
    RAW = "raw"  # at once
    RAW_ASYNC = "raw async"  # at once, and somebody has to await it


_KINDS = {
    "sqlalchemy.Session": Kind.ATTACHED,
    "sqlalchemy.AsyncSession": Kind.ATTACHED_ASYNC,
    "sqlalchemy.scoped_session": Kind.ATTACHED,
    "sqlalchemy.async_scoped_session": Kind.ATTACHED_ASYNC,
    "sqlalchemy.Connection": Kind.ATTACHED,
    "sqlalchemy.AsyncConnection": Kind.ATTACHED_ASYNC,
    "sqlite3.Connection": Kind.RAW,
    "psycopg.Connection": Kind.RAW,
    "psycopg.AsyncConnection": Kind.RAW_ASYNC,
    "aiosqlite.Connection": Kind.RAW_ASYNC,
    "asyncpg.Connection": Kind.RAW_ASYNC,
    "asyncpg.PoolConnectionProxy": Kind.RAW_ASYNC,
}


def kind_of(transaction: object) -> Kind:
    """How it is written to. Raises TypeError, in words, for what is none."""
    for parent in type(transaction).__mro__:
        kind = _KINDS.get(f"{parent.__module__.partition('.')[0]}.{parent.__qualname__}")
        if kind is not None:
            return kind
    raise TypeError(
        "transaction takes a Session, AsyncSession, Connection or AsyncConnection of SQLAlchemy or SQLModel, or a "
        f"connection of asyncpg, psycopg, sqlite3 or aiosqlite, not {type(transaction).__name__}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement in the store's SQL, with `:name` for each of its `values`."""

    sql: str
    values: Mapping[str, str | int]


Steps: TypeAlias = Generator[Statement, int, None]
"""Statements one after another; each is answered by the number of rows that it changed."""


class Hand(Protocol):
    """Writes on a connection."""

    def run(self, statement: Statement) -> int:
        """How many rows it changed."""
        ...


class AsyncHand(Protocol):
    """Writes on a connection that has to be awaited."""

    async def run(self, statement: Statement) -> int:
        """How many rows it changed."""
        ...


class Joint(Protocol):
    """Where a transaction of the user's meets a store: the statements that it writes there.

    Each is told apart by the store's id in the database: on another one it changes no row.
    """

    @property
    def dialect(self) -> str:
        """As SQLAlchemy names it."""
        ...

    def addition(self, calls: Sequence[Call]) -> Statement:
        """Stores calls as `Store.add` would now, whoever holds their keys: one row for each."""
        ...

    def lock_key(self, call: Call) -> Statement:
        """Lets nobody else add under the call's key until the end: one row."""
        ...

    def twin(self, call: Call) -> Statement:
        """Makes the call a twin, if another task holds its locked key: one row. Nobody claims that until the end."""
        ...

    def take_key(self, call: Call) -> Statement:
        """Lets the call have its locked key: one row."""
        ...

    def ending(self, claim: Claim, *, took: timedelta, progress: Progress | None) -> Statement:
        """Settles a run as done, if its claim holds: one row. Without a `progress` that stays as it was noted."""
        ...

    def release(self, claim: Claim) -> Statement:
        """Frees the followers of that task."""
        ...

    def proof(self) -> Statement:
        """Changes nothing in one row, if the database is that of the store."""
        ...

    def hand(self, connection: object) -> Hand:
        """Writes on a plain connection of one of its drivers.

        Raises CannotJoinTransaction if the connection is not one of those, or no transaction has begun on it.
        """
        ...

    def async_hand(self, connection: object) -> AsyncHand:
        """The same for a connection that has to be awaited."""
        ...

    def ring(self) -> None:
        """A transaction has been committed: wake who waits for tasks. From any thread, and at once."""
        ...


def joint_of(store: object) -> Joint:
    """That of a store which is open. Raises CannotJoinTransaction for one that is not in SQL, StoreUnavailable."""
    if not hasattr(type(store), "joint"):  # asked of the type, since the property raises as long as nothing is open
        raise CannotJoinTransaction(
            "the tasks are in a store that is no SQL database, which no transaction can write to: add them without "
            "transaction=, after the commit, or keep them in the database of the transaction"
        )
    joint: Joint = getattr(store, "joint")  # noqa: B009 - so that the checkers need not know which stores have one
    return joint


def adding(joint: Joint, calls: Sequence[Call]) -> Steps:
    """Store calls, in their order. Raises CannotJoinTransaction when the database is not that of the store."""
    for has_key, group in groupby(calls, lambda call: call.key is not None):
        some = list(group)
        if has_key:
            for call in some:
                yield from _adding_by_key(joint, call)
        elif (yield joint.addition(some)) != len(some):
            raise elsewhere()


def _adding_by_key(joint: Joint, call: Call) -> Steps:
    if not (yield joint.lock_key(call)):
        raise elsewhere()
    if not (yield joint.twin(call)):
        yield joint.take_key(call)
        yield joint.addition([call])


def ending(joint: Joint, claim: Claim, *, took: timedelta, progress: Progress | None) -> Steps:
    """Settle a run as done and free who waits for it. Raises LeaseLost, CannotJoinTransaction."""
    if not (yield joint.ending(claim, took=took, progress=progress)):
        if not (yield joint.proof()):
            raise elsewhere()
        raise LeaseLost(
            f"run {claim.run} of task {claim.id} does not hold its claim any more, or is settled already: nothing of "
            "this transaction may stay, let it roll back"
        )
    yield joint.release(claim)


def drive(hand: Hand, steps: Steps) -> None:
    """Take the steps."""
    try:
        statement = next(steps)
        while True:
            statement = steps.send(_ran(hand, statement))
    except StopIteration:
        return


async def drive_async(hand: AsyncHand, steps: Steps) -> None:
    """Take the steps, awaiting each."""
    try:
        statement = next(steps)
        while True:
            try:
                changed = await hand.run(statement)
            except Exception as error:
                _explain(error)
                raise
            statement = steps.send(changed)
    except StopIteration:
        return


def elsewhere() -> CannotJoinTransaction:
    """What is said when the transaction is on another database."""
    return CannotJoinTransaction(
        "this transaction is on another database than the tasks: give it one of the store's own database, or point "
        "Afterwards(url=...) to the database of the transaction; its tables must be on the search path"
    )


def _ran(hand: Hand, statement: Statement) -> int:
    try:
        return hand.run(statement)
    except Exception as error:
        _explain(error)
        raise


def _explain(error: Exception) -> None:
    """Raise CannotJoinTransaction where our tables are missing; all other errors are the transaction's own."""
    causes = [error, getattr(error, "orig", None), getattr(getattr(error, "orig", None), "__cause__", None)]
    if any(_says_missing(cause) for cause in causes):
        raise elsewhere() from error


def _says_missing(error: object) -> bool:
    return getattr(error, "sqlstate", None) == _UNDEFINED_TABLE or "no such table: afterwards_" in str(error)


_UNDEFINED_TABLE = "42P01"
