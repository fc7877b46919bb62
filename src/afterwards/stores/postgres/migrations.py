"""Brings the schema up to date by the numbered files of `schema/`, forward only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import cast

from afterwards.migrations import Migration, Schema, migrations_of, pending, refuse_pending, schema, script
from afterwards.stores.postgres.driver import Connection
from afterwards.stores.postgres.statements import sql_of

_VERSIONS = """\
CREATE TABLE IF NOT EXISTS afterwards_schema (
    version integer NOT NULL PRIMARY KEY,
    oldest_code integer NOT NULL,  -- the schema version that code must know to work with this one
    applied timestamptz NOT NULL DEFAULT now()
)"""
_RECORD = "INSERT INTO afterwards_schema (version, oldest_code) VALUES ({}, {});"


@cache
def migrations() -> Sequence[Migration]:
    """All steps that this version knows, in their order."""
    return migrations_of("afterwards.stores.postgres")


async def migrate(connection: Connection, place: str, *, allowed: bool = True) -> None:
    """Apply what is missing, all or nothing; processes that start together wait for each other.

    Raises StoreUnusable for a schema that is too new for this version, or one that lacks steps which are not `allowed`.
    """
    known = migrations()
    if not allowed:
        refuse_pending(known, await applied(connection), place)
    if not pending(known, await applied(connection), place):
        return
    await connection.execute("BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
    try:
        await connection.fetch(sql_of("lock_schema"))
        for step in pending(known, await applied(connection), place):  # asked again: another process may have done it
            await connection.execute(f"{_VERSIONS}; {step.sql}; {_record(step)}")
        await connection.execute("COMMIT")
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise


async def schema_of(connection: Connection, place: str) -> Schema:
    """Where the schema stands. Raises StoreUnusable for one that is too new for this version."""
    known, taken = migrations(), await applied(connection)
    pending(known, taken, place)
    return schema(known, taken)


async def applied(connection: Connection) -> dict[int, int]:
    """The steps that have been taken, each with the oldest code that may work with it."""
    [[exists]] = await connection.fetch(sql_of("has_schema"))
    if not exists:
        return {}
    return dict(cast("list[tuple[int, int]]", await connection.fetch(sql_of("applied_steps"))))


def sql_since(version: int) -> str:
    """What `migrate` would run in a store of this version, for a person to run with other means."""
    steps = [step for step in migrations() if step.version > version]
    return script(steps, begin=["BEGIN;", f"{_VERSIONS};"], record=_record, spell=str)


def _record(step: Migration) -> str:
    return _RECORD.format(step.version, step.oldest_code)
