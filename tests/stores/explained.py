"""What PostgreSQL does for the statements of its store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import psycopg

from afterwards.stores.postgres.heads import Lines
from afterwards.stores.postgres.statements import STATEMENTS


def plan_of(connection: psycopg.Connection[Any], name: str, /, **values: object) -> dict[str, Any]:
    """The plan of a statement with what it did, which is then undone."""
    statement = STATEMENTS[name]
    places = f"({', '.join(f'%({name})s' for name in statement.names)})" if statement.names else ""
    cursor = psycopg.ClientCursor(connection)
    connection.execute("DEALLOCATE ALL")
    with connection.transaction(force_rollback=True):
        connection.execute(f"PREPARE asked AS {statement.sql}".encode())
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked {places}".encode()
        cursor.execute(explain, {"offset": timedelta(0), **values})
        [[plan]] = cursor.fetchall()
    return cast("dict[str, Any]", (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """It, and all below it."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def as_lists(lines: Lines) -> dict[str, object]:
    """The values of a claim from there, in types that this driver takes."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in lines.values.items()}
