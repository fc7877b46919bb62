"""How many rows PostgreSQL reads to claim a hundred tasks from a table with millions that are not to be claimed.

    python benchmarks/claim_plan.py [--millions 5.0] [--url postgresql://…]

It fills a database of its own with that many waiting tasks on ten levels of priority, a fifth of them high-priority and
due tomorrow, a fifth held, and as many ended ones; then it claims with and without statistics, and prints the indexes,
the rows read and the time.
It fails when a claim reads 30 rows or more for each task it takes, or the table by anything but its indexes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import psycopg
from places import store_url

from afterwards.stores.postgres.link import OF_WORKERS, SETTINGS
from afterwards.stores.postgres.migrations import sql_since
from afterwards.stores.postgres.statements import STATEMENTS

LIMIT, MOST_ROWS_EACH = 100, 30
INTENDED = {"afterwards_claimable", "afterwards_suspects", "afterwards_tasks_pkey"}
CLAIM = {
    "offset": timedelta(0),
    "worker": "w",
    "claimers": ["w"],
    "limit": LIMIT,
    "suspects": True,
    "unknown": ["tests:strange"],
    "asks": True,
    "takes": True,
    "finds": True,
    **{column: list[object]() for column in ("line_queues", "line_priorities", "line_dues", "line_sequences")},
}
A_WORKER = """
INSERT INTO afterwards_workers (id, host, pid, label, functions, signed_on, expires)
VALUES ('w', 'h', 1, 'l', '{}', now(), now() + interval '1 day')
"""
FILL = """
INSERT INTO afterwards_tasks (id, name, arguments, queue, priority, state, held, after, due, added, ended, freed)
SELECT gen_random_uuid(), 'tests:work', '{{"args": []}}', 'default', {priority}, '{state}', {held}, {after},
    now() + interval '{due}' + n * interval '1 microsecond', now(), {ended}, {freed}
FROM generate_series(1, {count}) AS n
"""
USUAL = {
    "priority": "n % 10",
    "state": "waiting",
    "held": "NULL",
    "after": "NULL",
    "due": "-1 hour",
    "ended": "NULL",
    "freed": "false",
}
# Shares of the waiting and of the ended tasks.
KINDS: dict[str, tuple[float, dict[str, str]]] = {
    "due": (0.6, {}),
    "high-priority, due tomorrow": (0.2, {"priority": "9", "due": "1 day"}),
    "held": (0.2, {"held": "'after'", "after": "gen_random_uuid()"}),
    "ended": (1.0, {"state": "done", "ended": "now()", "freed": "true"}),
}


def main() -> int:
    """Fill, explain, print; 1 when the plan is not the intended one."""
    options = _options()
    with _database(options.url) as connection:
        _fill(connection, round(options.millions * 1_000_000))
        plans = [_explained(connection, "without statistics")]
        connection.execute("ANALYZE")
        plans.append(_explained(connection, "with statistics"))
    return 0 if all(plans) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, default=5.0, help="of waiting, and of ended tasks")
    parser.add_argument("--url", help="a server; one is started without")
    return parser.parse_args()


@contextmanager
def _database(url: str | None) -> Iterator[psycopg.Connection[Any]]:
    """A new database with our tables, of which nobody gathers statistics."""
    if url is None:
        with store_url("postgres") as started, _database(started) as connection:
            yield connection
        return
    name = f"afterwards_claim_plan_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            with psycopg.connect(f"{url.rpartition('/')[0]}/{name}", autocommit=True) as connection:
                connection.execute(sql_since(0).encode())
                connection.execute("ALTER TABLE afterwards_tasks SET (autovacuum_enabled = off)")
                connection.execute(A_WORKER)
                yield connection
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _fill(connection: psycopg.Connection[Any], count: int) -> None:
    for kind, (share, columns) in KINDS.items():
        began = time.monotonic()
        connection.execute(FILL.format(count=round(share * count), **{**USUAL, **columns}).encode())
        print(f"{round(share * count):>10,} {kind} ({time.monotonic() - began:.0f} s)", flush=True)
    for setting, value in {**SETTINGS, **OF_WORKERS}.items():  # as the store's own connections have it
        connection.execute(f"SET {setting} = '{value}'".encode())


def _explained(connection: psycopg.Connection[Any], circumstances: str) -> bool:
    statement = STATEMENTS["claim_tasks"]
    places = ", ".join(f"%({name})s" for name in statement.names)
    cursor = psycopg.ClientCursor(connection)
    connection.execute("DEALLOCATE ALL")
    with connection.transaction(force_rollback=True):
        connection.execute(f"PREPARE asked AS {statement.sql}".encode())
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({places})".encode(), CLAIM)
        [[found]] = cursor.fetchall()
    nodes = [node for node in _nodes(found[0]["Plan"]) if "Scan" in node["Node Type"]]
    indexes = {str(node["Index Name"]) for node in nodes if "Index Name" in node} & _of_tasks(connection)
    whole = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "afterwards_tasks"]
    read = sum(_rows(node) for node in nodes if "Relation Name" in node)
    print(json.dumps({"circumstances": circumstances, "claimed": found[0]["Plan"]["Actual Rows"], "rows read": read,
                      "ms": found[0]["Execution Time"], "indexes": sorted(indexes)}))  # fmt: skip
    return indexes == INTENDED and not whole and read < MOST_ROWS_EACH * LIMIT


def _of_tasks(connection: psycopg.Connection[Any]) -> set[str]:
    found = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'afterwards_tasks'").fetchall()
    return {str(name) for [name] in found}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in cast("list[dict[str, Any]]", plan.get("Plans", [])):
        yield from _nodes(part)


def _rows(node: dict[str, Any]) -> float:
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


if __name__ == "__main__":
    sys.exit(main())
