"""Brings the schema up to date by the numbered files of `schema/`, forward only."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from afterwards.errors import StoreUnusable

_OLDEST_CODE = re.compile(r"^-- oldest code: (\d+)$", re.MULTILINE)
_FIRST_STRICT_SQLITE = (3, 37, 0)

_VERSIONS = """\
CREATE TABLE IF NOT EXISTS afterwards_schema (
    version INTEGER NOT NULL PRIMARY KEY,
    oldest_code INTEGER NOT NULL,  -- the schema version that code must know to work with this one
    applied TEXT NOT NULL
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step. `oldest_code` is the schema version that code must know to go on working after it."""

    version: int
    oldest_code: int
    sql: str


def migrations() -> list[Migration]:
    """All steps that this version knows, in their order."""
    folder = files("afterwards.stores.sqlite").joinpath("schema")
    named = sorted(
        (file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".sql")
    )
    return [_migration(name, sql) for name, sql in named]


def _migration(name: str, sql: str) -> Migration:
    oldest_code = _OLDEST_CODE.search(sql)
    if oldest_code is None:
        raise ValueError(f"{name} does not say which code may still work with it")
    return Migration(version=int(name.split("_")[0]), oldest_code=int(oldest_code[1]), sql=sql)


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
        for migration in missing(connection, known, path):  # asked again: another process may have done it
            _apply(connection, migration)
            if migration.version == 1:
                connection.execute("UPDATE afterwards_store SET shared = ?", (shared,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def missing(connection: sqlite3.Connection, known: list[Migration], path: Path) -> list[Migration]:
    """The steps that have not been taken. Raises StoreUnusable for a schema that is too new for this version."""
    applied = _applied(connection)
    _refuse_too_new(applied, known[-1].version, path)
    return [migration for migration in known if migration.version not in applied]


def statements_of(sql: str) -> Iterator[str]:
    """The statements of a file, one by one: `executescript` would commit in between."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def _applied(connection: sqlite3.Connection) -> dict[int, int]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'afterwards_schema'").fetchone():
        return {}
    return dict(connection.execute("SELECT version, oldest_code FROM afterwards_schema").fetchall())


def _refuse_too_new(applied: dict[int, int], newest: int, path: Path) -> None:
    needed = max((oldest for version, oldest in applied.items() if version > newest), default=0)
    if needed > newest:
        raise StoreUnusable(
            f"{path} has a schema of version {max(applied)}, which code older than version {needed} must not touch; "
            f"this one knows {newest}: upgrade afterwards here too"
        )


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute(_VERSIONS)
    for statement in statements_of(migration.sql):
        connection.execute(_spelled_for(statement))
    connection.execute(
        "INSERT INTO afterwards_schema (version, oldest_code, applied) VALUES (?, ?, datetime('now'))",
        (migration.version, migration.oldest_code),
    )


def _spelled_for(statement: str) -> str:
    """Before 3.37 SQLite does not know STRICT, which only checks more."""
    return statement if sqlite3.sqlite_version_info >= _FIRST_STRICT_SQLITE else statement.replace(") STRICT;", ");")
