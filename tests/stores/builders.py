"""What the tests of the SQLite store share: a store in a folder, and other hands on its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

from afterwards.stores import store_for
from tests.contract.builders import TimedStore

PATIENCE = timedelta(seconds=0.4)
LONG_PATIENCE = timedelta(seconds=30)
SECONDS_OF_HAMMERING = 1.5


def a_store(path: Path | str, *, add_timeout: timedelta = PATIENCE) -> TimedStore:
    return cast(TimedStore, store_for(f"sqlite:///{path}", add_timeout=add_timeout))


@contextmanager
def another_connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's, with a library's defaults."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
        yield connection


@contextmanager
def write_lock_on(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else has begun to write and does not come to an end."""
    with another_connection(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("ROLLBACK")


def files_in(folder: Path) -> set[str]:
    """The names of what lies there."""
    return {file.name for file in folder.iterdir()}


def empty_folder(folder: Path) -> None:
    """Remove the files that lie there."""
    for file in folder.iterdir():
        file.unlink()
