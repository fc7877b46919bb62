"""Brings the schema up to date by the numbered files of `schema/`, forward only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

from afterwards.migrations import Migration, Schema, migrations_of, pending, refuse_pending, schema, script
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.statements import STATEMENTS
from afterwards.stores.sqlite.trouble import told

_FIRST_STRICT_SQLITE = (3, 37, 0)

_VERSIONS = """\
CREATE TABLE IF NOT EXISTS afterwards_schema (
    version INTEGER NOT NULL PRIMARY KEY,
    oldest_code INTEGER NOT NULL,  -- the schema version that code must know to work with this one
    applied TEXT NOT NULL
)"""

_NOTE_SHARED = f"UPDATE afterwards_store SET shared = ({STATEMENTS['foreign_tables']}) > 0;"
_RECORD = "INSERT INTO afterwards_schema (version, oldest_code, applied) VALUES ({}, {}, datetime('now'))"


@cache
def migrations() -> list[Migration]:
    """All steps that this version knows, in their order."""
    return migrations_of("afterwards.stores.sqlite")


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing, all or nothing; processes that start together wait for each other.

    Raises StoreUnusable for a schema that is too new for this version.
    """
    if not _missing(connection, path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _missing(connection, path):  # asked again: another process may have done it
            _apply(connection, step)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def refuse_missing(path: Path) -> None:
    """Where nothing may be changed: raise StoreUnusable, if there is no file or a step is missing.

    A folder that is missing is not that: the disk may come yet.
    """
    known = migrations()
    if path.exists():
        with closing(_reading(path)) as connection:
            refuse_pending(known, _applied(connection), str(path))
    elif path.parent.is_dir():
        refuse_pending(known, {}, str(path))


def schema_of(place: Place) -> Schema:
    """The schema of the file there, whether it exists or not. Raises StoreUnavailable, StoreUnusable."""
    path = place.path
    if not path.exists():
        return schema(migrations(), {})
    try:
        with closing(_reading(path)) as connection:
            return read_schema(connection, path)
    except sqlite3.Error as error:
        raise told(error, "reading the schema", path) from error


def read_schema(connection: sqlite3.Connection, path: Path) -> Schema:
    """The schema of an open file. Raises StoreUnusable for one that is too new for this version."""
    _missing(connection, path)
    return schema(migrations(), _applied(connection))


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


def _missing(connection: sqlite3.Connection, path: Path) -> list[Migration]:
    return pending(migrations(), _applied(connection), str(path))


def _applied(connection: sqlite3.Connection) -> dict[int, int]:
    """The steps that have been taken, each with the oldest code that may work with it."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'afterwards_schema'").fetchone():
        return {}
    return dict(connection.execute("SELECT version, oldest_code FROM afterwards_schema").fetchall())


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    connection.execute(_VERSIONS)
    for statement in statements_of(f"{_spelled_for(step.sql)}\n{_record(step)}"):
        connection.execute(statement)


def _record(step: Migration) -> str:
    """The row that says that the step was taken; and in a new store, whether the file was somebody else's before."""
    taken = f"{_RECORD.format(step.version, step.oldest_code)};"
    return f"{_NOTE_SHARED}\n{taken}" if step.version == 1 else taken


def _spelled_for(sql: str) -> str:
    """Before 3.37 SQLite does not know STRICT, which only checks more."""
    return sql if sqlite3.sqlite_version_info >= _FIRST_STRICT_SQLITE else sql.replace(") STRICT;", ");")
