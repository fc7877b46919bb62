"""The file and its one writing connection: opens it, chooses its journal, writes transactions. One thread uses it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from afterwards.errors import StoreUnusable
from afterwards.stores.sqlite.clock import Clock
from afterwards.stores.sqlite.filesystem import Footing, footing, magic_of, name_of
from afterwards.stores.sqlite.migrations import migrate, refuse_missing
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.statements import STATEMENTS
from afterwards.stores.sqlite.transaction import Transaction
from afterwards.stores.sqlite.trouble import WriteLockHeld
from afterwards.stores.sqlite.write_lock import WriteLock, wal_guard_needed

_OLDEST_SQLITE = (3, 35, 0)
_LOCK_SLICE = 0.1
_CACHED_STATEMENTS = 256  # the two that are written once for each number of rows, and all the others

# Connections that crossed a fork. They must neither be used nor closed in the child, so they are kept for ever.
_abandoned: list[sqlite3.Connection] = []

File = tuple[int, int]


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection for the calling thread, in autocommit; it waits for locks in short slices."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=_LOCK_SLICE,
        isolation_level=None,
        cached_statements=_CACHED_STATEMENTS,
    )


def abandon(connection: sqlite3.Connection | None) -> None:
    """Forget a connection of the parent process."""
    if connection is not None:
        _abandoned.append(connection)


def file_at(path: Path) -> File | None:
    """Which file lies there now, if any."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Database:
    """Opens when it is first written to, and anew after a failure, a fork, or when the file was replaced.

    Unless it `migrates`, it makes neither file nor tables; a private file is its own matter.
    """

    def __init__(self, place: Place, clock: Clock, *, migrates: bool = True) -> None:
        self.identity: str | None = None
        self.warnings: list[str] = []
        self._place = place
        self._clock = clock
        self._migrates = migrates or place.private
        self._connection: sqlite3.Connection | None = None
        self._file: File | None = None
        self._lock: WriteLock | None = None
        self._full = True
        self._durable: bool | None = None

    @contextmanager
    def transaction(self, *, durable: bool) -> Generator[Transaction]:
        """What is done inside is written when the block ends, or not at all if it raises."""
        connection, lock = self._opened()
        with lock.held():
            self._synchronise(connection, durable=durable)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection, self._clock.now())
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def close(self) -> None:
        """Let go; the last to close copies the log into the file, which is a write and so under the lock."""
        connection, self._connection, self._durable = self._connection, None, None
        if connection is not None and self._lock is not None:
            try:
                with self._lock.held():
                    connection.close()
            except (WriteLockHeld, OSError):
                abandon(connection)
        if self._lock is not None:
            self._lock.forget()

    def forget(self) -> None:
        """In a forked child: what is open is the parent's."""
        abandon(self._connection)
        self._connection = None
        if self._lock is not None:
            self._lock.forget()

    def _opened(self) -> tuple[sqlite3.Connection, WriteLock]:
        path = self._place.path
        if self._connection is not None and self._file != file_at(path):
            self.close()  # somebody removed or replaced the file; what is written to the old one would be lost
        if self._connection is None or self._lock is None:
            self._connection, self._lock = self._open(path)
        return self._connection, self._lock

    def _open(self, path: Path) -> tuple[sqlite3.Connection, WriteLock]:
        _refuse_old_sqlite()
        magic = magic_of(path.parent)
        _refuse_network(magic, path)
        if not self._migrates:
            refuse_missing(path)
        lock = self._lock or WriteLock(path.with_name(f"{path.name}-lock"))
        connection = connect(path, "rwc" if self._migrates else "rw")
        try:
            with lock.held():
                self._make_ready(connection, path, magic, is_guarded=lock.works)
        except BaseException:
            connection.close()
            raise
        return connection, lock

    def _make_ready(self, connection: sqlite3.Connection, path: Path, magic: int | None, *, is_guarded: bool) -> None:
        connection.execute("PRAGMA temp_store = MEMORY")
        shared = _is_shared(connection)
        if not shared:
            _choose_journal(connection, magic)
        if self._migrates:
            migrate(connection, path)
        self._full = shared
        self._file = file_at(path)
        self.identity = str(connection.execute(STATEMENTS["store_id"]).fetchone()[0])
        self.warnings = [*_warn_of_footing(magic), *_warn_of_log(connection, is_guarded=is_guarded, shared=shared)]

    def _synchronise(self, connection: sqlite3.Connection, *, durable: bool) -> None:
        durable = durable or self._full
        if durable is self._durable:
            return
        connection.execute(f"PRAGMA synchronous = {self._level(durable=durable)}")
        self._durable = durable

    def _level(self, *, durable: bool) -> str:
        if self._place.private:
            return "OFF"  # the file dies with the process
        return "FULL" if durable else "NORMAL"


def _roll_back(connection: sqlite3.Connection) -> None:
    """SQLite may have done it by itself, and a broken file cannot."""
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _is_shared(connection: sqlite3.Connection) -> bool:
    """Somebody else's tables were there before ours, or stood there when ours were made."""
    if connection.execute(STATEMENTS["our_tables"]).fetchone()[0]:
        return bool(connection.execute(STATEMENTS["store_shared"]).fetchone()[0])
    return bool(connection.execute(STATEMENTS["foreign_tables"]).fetchone()[0])


def _choose_journal(connection: sqlite3.Connection, magic: int | None) -> None:
    mode = "DELETE" if footing(magic) is Footing.SHAKY else "WAL"
    connection.execute(f"PRAGMA journal_mode = {mode}")


def _warn_of_footing(magic: int | None) -> list[str]:
    if footing(magic) is not Footing.SHAKY:
        return []
    place = f"the file lies on {name_of(magic)}, where several processes cannot share a write-ahead log"
    return [f"{place}: a slower rollback journal is used; put the file on a local disk or a volume"]


def _warn_of_log(connection: sqlite3.Connection, *, is_guarded: bool, shared: bool) -> list[str]:
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal" or not wal_guard_needed(sqlite3.sqlite_version_info):
        return []
    danger = f"SQLite {sqlite3.sqlite_version} can damage a write-ahead log when two connections write at once"
    if not is_guarded:
        return [f"{danger}, and there is no file lock here to guard it: let one process write, or use a newer SQLite"]
    if shared or connection.execute(STATEMENTS["foreign_tables"]).fetchone()[0]:  # they may have come after ours
        return [
            f"{danger}, and other code writes to this file: give the tasks a file of their own, or use a newer SQLite"
        ]
    return []


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreUnusable(f"SQLite {sqlite3.sqlite_version} is too old, 3.35 is needed: use a newer Python or SQLite")


def _refuse_network(magic: int | None, path: Path) -> None:
    if footing(magic) is Footing.NONE:
        raise StoreUnusable(
            f"{path} lies on {name_of(magic)}, a network file system, where locks do not hold and SQLite files break: "
            "put it on a local disk, or use a database server"
        )
