"""Databases for tests on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import psycopg
import pytest

EMPTYING = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC")
_HANG_UP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def new(request: pytest.FixtureRequest) -> str:
    """The URL of a database with nothing in it, for the length of a test. They are made once and emptied each time."""
    server = request.getfixturevalue("postgres_url")
    free = _free(server)
    url = free.pop() if free else _made(server)
    run(url, _HANG_UP, *EMPTYING)
    request.addfinalizer(lambda: free.append(url))
    return url


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """The URL of a new database with nothing in it."""
    name = f"afterwards_{uuid4().hex}"
    run(server, f"CREATE DATABASE {name}")
    yield url_of(server, name)
    drop(server, name)


def url_of(server: str, database: str) -> str:
    """The URL of another database of the server."""
    return f"{server.rpartition('/')[0]}/{database}"


def run(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def column(url: str, query: str) -> list[Any]:
    """The first column of what a query brings."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def drop(server: str, name: str) -> None:
    run(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@cache
def _free(_: str) -> list[str]:
    return []


def _made(server: str) -> str:
    name = f"afterwards_{uuid4().hex}"
    run(server, f"CREATE DATABASE {name}")
    return url_of(server, name)
