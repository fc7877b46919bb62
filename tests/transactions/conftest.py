"""A database with a table of the user's and an Afterwards on it, and one transaction of each kind."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from afterwards import Afterwards
from tests import databases
from tests.transactions import tasks
from tests.transactions.kinds import KINDS, Dealing

TABLE = "CREATE TABLE people (name TEXT NOT NULL UNIQUE)"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database of the kind's own, with the user's table in it."""
    if kind.startswith("SQLite"):
        return new_file(tmp_path / "app.db")
    return new_database(request)


def new_file(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
    connection.close()
    return f"sqlite:///{path}"


def new_database(request: pytest.FixtureRequest) -> str:
    url = databases.new(request)
    databases.run(url, TABLE)
    return url


@pytest.fixture
async def afterwards(url: str) -> AsyncIterator[Afterwards]:
    """Open, with no worker."""
    async with Afterwards(url=url, worker=False).opened() as afterwards:
        yield afterwards


@pytest.fixture
async def dealing(kind: str, url: str, afterwards: Afterwards) -> AsyncIterator[Dealing]:
    async with KINDS[kind](url) as dealing:
        yield dealing


@pytest.fixture(autouse=True)
def _nothing_has_run() -> None:
    tasks.ran.clear()


def people_in(url: str) -> set[str]:
    """The rows of the user's own table, as others see them."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        names = {name for (name,) in connection.execute("SELECT name FROM people")}
        connection.close()
        return names
    with psycopg.connect(url) as other:
        return {name for (name,) in other.execute("SELECT name FROM people")}
