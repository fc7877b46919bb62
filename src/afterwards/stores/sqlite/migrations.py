"""Brings the schema up to date by the numbered files of `schema/`, forward only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from afterwards.migrations import Migration, migrations_of, pending, script

_FIRST_STRICT_SQLITE = (3, 37, 0)

_VERSIONS = """\
CREATE TABLE IF NOT EXISTS afterwards_schema (
    version INTEGER NOT NULL PRIMARY KEY,
    oldest_code INTEGER NOT NULL,  -- the schema version that code must know to work with this one
    applied TEXT NOT NULL
)"""

_RECORD = "INSERT INTO afterwards_schema (version, oldest_code, applied) VALUES ({}, {}, datetime('now'))"


@cache
def migrations() -> list[Migration]:
    """All steps that this version knows, in their order."""
    return migrations_of("afterwards.stores.sqlite")


def migrate(connection: sqlite3.Connection, path: Path, *, shared: bool) -> None:
    """Apply what is missing, all or nothing; processes that start together wait for each other.

    `shared` is noted in a new store: the file was somebody else's before.

    Raises StoreUnusable for a schema that is too new for this version.
    """
    known = migrations()
    if not missing(connection, known, path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in missing(connection, known, path):  # asked again: another process may have done it
            _apply(connection, step)
            if step.version == 1:
                connection.execute("UPDATE afterwards_store SET shared = ?", (shared,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def missing(connection: sqlite3.Connection, known: Sequence[Migration], path: Path) -> list[Migration]:
    """The steps that have not been taken. Raises StoreUnusable for a schema that is too new for this version."""
    return pending(known, applied(connection), str(path))


def applied(connection: sqlite3.Connection) -> dict[int, int]:
    """The steps that have been taken, each with the oldest code that may work with it."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'afterwards_schema'").fetchone():
        return {}
    return dict(connection.execute("SELECT version, oldest_code FROM afterwards_schema").fetchall())


def sql_since(version: int) -> str:
    """What `migrate` would run in a store of this version, for a person to run with other means."""
    steps = [step for step in migrations() if step.version > version]
    return script(steps, begin=["BEGIN IMMEDIATE;", f"{_VERSIONS};"], record=_record, spell=_spelled_for)


def statements_of(sql: str) -> Iterator[str]:
    """The statements of a file, one by one: `executescript` would commit in between."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    connection.execute(_VERSIONS)
    for statement in statements_of(step.sql):
        connection.execute(_spelled_for(statement))
    connection.execute(_record(step))


def _record(step: Migration) -> str:
    return f"{_RECORD.format(step.version, step.oldest_code)};"


def _spelled_for(sql: str) -> str:
    """Before 3.37 SQLite does not know STRICT, which only checks more."""
    return sql if sqlite3.sqlite_version_info >= _FIRST_STRICT_SQLITE else sql.replace(") STRICT;", ");")
