"""A million tasks, put straight into the tables of a store: no benchmark has the time to add and run them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from typing import Protocol

import psycopg

from afterwards.stores import store_for

NAMES = ("shop.mails:send_receipt", "shop.payments:capture", "shop.pictures:make_thumbnails", "shop.search:reindex")
QUEUES = ("mail", "payments", "pictures", "default")
ERROR = (
    '{"kind": "smtplib.SMTPServerDisconnected", "message": "please run connect() first", "traceback": '
    '"Traceback (most recent call last):\\n  File \\"/srv/shop/mails.py\\", line 38, in send_receipt\\n    send()\\n"}'
)
ARGUMENTS = """'{"order_id": ' || n || ', "to": "somebody' || n || '@example.com", "lines": ["one", "two", "three"]}'"""
HOUR = 3_600_000_000  # microseconds
COLUMNS = "id, name, arguments, queue, priority, state, due, added, attempt, run, freed, started, ended, error"


has_run = Counter[str]()


async def nothing(number: int) -> None:
    """What the worker runs where only its pace is measured. It counts."""
    has_run["nothing"] += 1


class Crowd(Protocol):
    """The tasks of one store."""

    def fill(self, ended: int, waiting: int) -> None:
        """One of fifty of those that ended has failed. They ended within 23 hours: none is to be pruned meanwhile.

        Those that wait are due.
        """
        ...

    def add_waiting(self, queue: str, count: int) -> None:
        """So many more that do nothing, due now."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


def crowd_of(kind: str, url: str) -> Crowd:
    """The crowd of an empty store, which this makes."""
    asyncio.run(_make(url))
    return SQLiteCrowd(url) if kind == "sqlite" else PostgresCrowd(url)


async def _make(url: str) -> None:
    store = store_for(url)
    await store.open()
    await store.close()


def _picked(choices: tuple[str, ...]) -> str:
    whens = " ".join(f"WHEN {number} THEN '{choice}'" for number, choice in enumerate(choices))
    return f"CASE n % {len(choices)} {whens} END"


class SQLiteCrowd:
    """In a file."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)

    def fill(self, ended: int, waiting: int) -> None:
        now = "(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))"
        ago = f"({now} - {23 * HOUR} * ({ended} - n) / {ended})"
        state = "iif(n % 50 = 0, 'failed', 'done')"
        error = f"iif(n % 50 = 0, '{ERROR}', NULL)"
        self._insert(ended, state, ago, f"{ago} + 40000", f"{ago} + 90000", error)
        self._insert(waiting, "'waiting'", f"{now} - {HOUR}", "NULL", "NULL", "NULL")
        self._connection.execute("ANALYZE")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.sync()  # or what is measured next pays for this

    def _insert(self, count: int, state: str, added: str, started: str, ended: str, error: str) -> None:
        runs, freed = ("0", "0") if ended == "NULL" else ("1", "1")
        self._connection.execute(
            f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
            f"INSERT INTO afterwards_tasks ({COLUMNS}) SELECT {_SQLITE_ID}, {_picked(NAMES)}, {ARGUMENTS}, "
            f"{_picked(QUEUES)}, 5, {state}, {added}, {added}, {runs}, {runs}, {freed}, {started}, {ended}, {error} "
            "FROM numbers"
        )

    def add_waiting(self, queue: str, count: int) -> None:
        self._connection.execute(
            f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
            "INSERT INTO afterwards_tasks (id, name, arguments, queue, priority, state, due, added) "
            f"SELECT {_SQLITE_ID}, 'crowds:nothing', '{{\"number\": ' || n || '}}', '{queue}', 5, 'waiting', n, n "
            "FROM numbers"
        )

    def close(self) -> None:
        self._connection.close()


class PostgresCrowd:
    """In a database."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def fill(self, ended: int, waiting: int) -> None:
        ago = f"now() - interval '23 hours' * ({ended} - n) / {ended}"
        state = "CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'done' END"
        error = f"CASE WHEN n % 50 = 0 THEN '{ERROR}' END"
        started, done = (f"{ago} + interval '{length} ms'" for length in (40, 90))
        self._insert(ended, state, ago, started, done, error)
        self._insert(waiting, "'waiting'", "now() - interval '1 hour'", "NULL", "NULL", "NULL")
        self._connection.execute("VACUUM ANALYZE afterwards_tasks")
        self._connection.execute("CHECKPOINT")
        os.sync()

    def _insert(self, count: int, state: str, added: str, started: str, ended: str, error: str) -> None:
        runs, freed = (0, "false") if ended == "NULL" else (1, "true")
        text = (
            f"INSERT INTO afterwards_tasks ({COLUMNS}) SELECT gen_random_uuid(), {_picked(NAMES)}, {ARGUMENTS}, "
            f"{_picked(QUEUES)}, 5, {state}, {added}, {added}, {runs}, {runs}, {freed}, ({started})::timestamptz, "
            f"({ended})::timestamptz, {error} FROM generate_series(1, {count}) AS n"
        )
        self._connection.execute(text.encode())

    def add_waiting(self, queue: str, count: int) -> None:
        text = (
            "INSERT INTO afterwards_tasks (id, name, arguments, queue, priority, state, due, added) "
            f"SELECT gen_random_uuid(), 'crowds:nothing', '{{\"number\": ' || n || '}}', '{queue}', 5, 'waiting', "
            f"now(), now() FROM generate_series(1, {count}) AS n"
        )
        self._connection.execute(text.encode())

    def close(self) -> None:
        self._connection.close()


_SQLITE_ID = "lower(printf('%s-%s-7%s-a%s-%s', {}))".format(
    ", ".join(f"substr(hex(randomblob(8)), 1, {length})" for length in (8, 4, 3, 3, 12))
)
