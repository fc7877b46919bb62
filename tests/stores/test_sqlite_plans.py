"""What a statement costs, counted in SQLite's own steps: it must not grow with what does not concern it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterwards.stores.sqlite.migrations import migrate
from afterwards.stores.sqlite.statements import STATEMENTS
from afterwards.tasks import State

NOW = 1_800_000_000_000_000
MINUTE = 60_000_000
COUNT_EVERY = 10
FEW, MANY = 100, 20_000

SEARCHES = ("queue", "name", "error", "error_ending", "key", "added_after", "added_before", "after", "bookmark")
ANYTHING: dict[str, object] = {**dict.fromkeys(SEARCHES), "limit": 50, "states": json.dumps(list(State))}
ANY_STATE: dict[str, object] = {**ANYTHING, **{state.value: 1 for state in State}}
OOPS = {"error": "Oops", "error_ending": ".Oops"}
CLAIM = {"worker": "w", "limit": 10, "suspects": 1, "unknown": "[]", "now": NOW, "asks": 1}

SMALL_TABLES = {
    *(f"afterwards_{table}" for table in ("workers", "paused", "store", "schedules", "quotas", "tallies")),
    "sqlite_master",
}


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path("memory"))
    connection.execute(
        "INSERT INTO afterwards_workers (id, host, pid, label, functions, signed_on, expires) "
        "VALUES ('w', 'h', 1, 'l', '[]', 0, 0), ('narrow', 'h', 1, 'l', '[]', 0, 0)"
    )
    connection.execute("""UPDATE afterwards_workers SET queues = '["mail"]' WHERE id = 'narrow'""")
    yield connection
    connection.close()


def fill(connection: sqlite3.Connection, count: int, **columns: object) -> None:
    """`count` more tasks, each column a value or an expression of n."""
    values = {
        "id": "printf('%d-%s', n, hex(randomblob(8)))",
        "name": "'tests:work'",
        "arguments": "'{}'",
        "queue": "'mail'",
        "priority": "5",
        "state": "'waiting'",
        "due": f"{NOW - MINUTE} + n",
        "added": f"{NOW - MINUTE}",
        **columns,
    }
    connection.execute(
        f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
        f"INSERT INTO afterwards_tasks ({', '.join(values)}) SELECT {', '.join(map(str, values.values()))} FROM numbers"
    )


def steps(connection: sqlite3.Connection, statement: str, **values: object) -> int:
    """How many steps of SQLite's machine the statement takes."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += COUNT_EVERY

    connection.set_progress_handler(count, COUNT_EVERY)
    connection.execute(STATEMENTS[statement], values).fetchall()
    connection.set_progress_handler(None, 0)
    return counted


BACKLOGS: dict[str, dict[str, object]] = {
    "due tomorrow": {"due": NOW + 86_400_000_000},
    "in its own line": {},
    "ended": {"state": "'done'", "ended": "n", "freed": 1},
    "running elsewhere": {"state": "'running'", "worker": "'other'"},
    "held after another": {"held": "'after'", "after": "'x'"},
    "held as unknown": {"held": "'unknown'"},
    "of low priority": {"priority": 1},
    "held at a gate": {"held": "'limit'", "gate": "'function:tests:work'", "gate_key": "n % 1000", "rank": "n"},
}


@pytest.mark.parametrize("backlog", BACKLOGS)
@pytest.mark.parametrize("statement", ["find_claimable", "next_due"])
def test_a_claim_costs_the_same_however_much_lies_beside_it(
    connection: sqlite3.Connection, backlog: str, statement: str
):
    fill(connection, 20)
    fill(connection, FEW, **BACKLOGS[backlog])
    few = steps(connection, statement, **CLAIM)
    fill(connection, MANY, **BACKLOGS[backlog])
    assert steps(connection, statement, **CLAIM) < few * 1.5 + 200


@pytest.mark.parametrize("statement", ["find_claimable", "next_due"])
def test_backlogs_of_other_queues_cost_a_worker_nothing(connection: sqlite3.Connection, statement: str):
    claim = {**CLAIM, "worker": "narrow"}
    fill(connection, 20)
    fill(connection, FEW, queue="'q' || (n % 3)")
    few = steps(connection, statement, **claim)
    fill(connection, MANY, queue="'q' || (n % 3)")
    assert steps(connection, statement, **claim) < few * 1.5 + 200


def test_a_paused_backlog_costs_nothing(connection: sqlite3.Connection):
    connection.execute("INSERT INTO afterwards_paused VALUES ('paused')")
    fill(connection, 20)
    fill(connection, FEW, queue="'paused'")
    few = steps(connection, "find_claimable", **CLAIM)
    fill(connection, MANY, queue="'paused'")
    assert steps(connection, "find_claimable", **CLAIM) < few * 1.5 + 200


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("cancellations", {"worker": "w"}),
        ("claims", {"worker": "w"}),
        ("find_followers", {"ids": '["a"]', "worker": "w", "now": NOW}),
        ("held_claims", {"claims": '[["a", 1, "w"]]'}),
        ("find_old", {"before": 0, "limit": 100}),
        ("prune", {"sequences": "[1]"}),
        ("known_calls", {"ids": '["a"]'}),
        ("held_keys", {"keys": '[["n", "k"]]', "now": NOW}),
        ("keep_keys", {"ids": '["a"]', "now": NOW}),
        ("drop_keys", {"ids": '["a"]'}),
        ("drop_twins", {"ids": '["a"]'}),
        ("drop_old_keys", {"limit": 100, "now": NOW}),
        ("seek_by_state", ANY_STATE),
        ("seek_by_state", {**ANY_STATE, "waiting": 0, "queue": "rare"}),
        ("seek_by_error", {**ANYTHING, **OOPS}),
        ("seek_by_error", {**ANYTHING, **OOPS, "states": '["running"]', "added_after": 0}),
        ("seek_by_key", {**ANYTHING, "key": "k"}),
        ("seek_by_id", {**ANYTHING, "ids": '["a"]'}),
        ("seek_newest", ANYTHING),
        ("hand_over", {"after": None, "limit": 50}),
        ("waiting_among", {"ids": '["a"]'}),
        ("forget_tasks", {"ids": '["a"]'}),
        ("unknown_names", {}),
        ("dropped_tasks", {"workers": '["w"]', "limit": 100}),
        ("count_gates", {"gates": '[["function:tests:work", ""], ["queue:mail", ""]]', "now": NOW}),
        ("find_openings", {"worker": "w", "unknown": "[]", "limit": 100, "now": NOW}),
        ("let_through", {"gate": "queue:mail", "key": "", "queue": "mail", "unknown": "[]", "room": 5}),
        ("open_gate", {"gate": "queue:mail", "key": "", "opens": 0, "unless": None}),
        ("standing_gates", {"gate": "", "key": "", "limit": 100}),
        ("limit_running", {}),
        ("count_recent", {"after": 0, "limit": 50}),
        ("added_among", {"first": 10**9, "last": 10**9 + 50}),
    ],
)
def test_a_statement_costs_the_same_in_a_large_table(
    connection: sqlite3.Connection, statement: str, values: dict[str, object]
):
    fill(connection, FEW, state="'done'", ended="n", freed=1)
    fill(connection, FEW)
    few = steps(connection, statement, **values)
    fill(connection, MANY, state="'done'", ended="n", freed=1)
    fill(connection, MANY)
    assert steps(connection, statement, **values) < few * 1.5 + 200


@pytest.mark.parametrize("name", sorted(set(STATEMENTS) - {"seek_newest"}))
def test_no_statement_reads_the_whole_table(connection: sqlite3.Connection, name: str):
    fill(connection, FEW)
    connection.execute("ANALYZE")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", parameters(STATEMENTS[name])).fetchall()
    scans = [line for *_, line in plan if line.startswith("SCAN") and line.split()[1] in tables(connection)]
    of_tasks = [line for line in scans if line.split()[1] not in SMALL_TABLES]
    assert [line for line in of_tasks if "INDEX" not in line] == []


def parameters(sql: str) -> dict[str, None] | list[None]:
    return [None] * sql.count("?") or dict.fromkeys(re.findall(r":(\w+)", sql))


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_page_of_what_is_handed_over_costs_the_same_wherever_it_begins(connection: sqlite3.Connection):
    fill(connection, MANY)
    first = steps(connection, "hand_over", after=None, limit=50)
    [last] = connection.execute("SELECT id FROM afterwards_tasks ORDER BY sequence LIMIT 1 OFFSET ?", [MANY - 100])
    assert steps(connection, "hand_over", after=last[0], limit=50) < first * 1.5 + 200


AN_ERROR = """json_object('kind', 'mod' || (n % 7) || '.Oops')"""


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("seek_by_error", {**ANYTHING, **OOPS}),
        ("seek_by_error", {**ANYTHING, "error": "mod3.Oops"}),
        ("seek_by_key", {**ANYTHING, "key": "k"}),
        ("seek_by_state", {**ANY_STATE, "waiting": 0}),
        ("seek_newest", ANYTHING),
    ],
)
def test_a_page_of_a_search_costs_the_same_wherever_it_begins(
    connection: sqlite3.Connection, statement: str, values: dict[str, object]
):
    fill(connection, MANY, state="'failed'", ended="n", freed=1, error=AN_ERROR, key="'k'")
    first = steps(connection, statement, **values)
    [last] = connection.execute("SELECT id FROM afterwards_tasks ORDER BY sequence LIMIT 1 OFFSET 1000").fetchone()
    assert steps(connection, statement, **{**values, "after": last}) < first * 1.5 + 200


def test_other_errors_and_states_cost_a_search_nothing(connection: sqlite3.Connection):
    fill(connection, FEW, state="'failed'", ended="n", freed=1, error=AN_ERROR)
    sought = {**ANYTHING, **OOPS, "states": '["failed"]'}
    few = steps(connection, "seek_by_error", **sought)
    fill(connection, MANY, error=AN_ERROR)
    fill(connection, MANY, state="'failed'", ended="n", freed=1, error="""'{"kind": "Alas"}'""")
    fill(connection, MANY, state="'done'", ended="n", freed=1)
    assert steps(connection, "seek_by_error", **sought) < few * 1.5 + 200


def test_ended_tasks_are_counted_and_not_grouped(connection: sqlite3.Connection):
    for state, many in (("done", MANY), ("failed", FEW), ("cancelled", 3)):
        fill(connection, many, state=f"'{state}'", ended=NOW, freed=1)
    (found,) = connection.execute(STATEMENTS["count_ended"]).fetchone()
    assert dict(json.loads(found)) == {"done": MANY, "failed": FEW, "cancelled": 3}
    assert steps(connection, "count_ended") < 3 * MANY, (
        "two steps for each entry of the index: to step on, and to count"
    )
    plan = connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS['count_ended']}").fetchall()
    assert "TEMP B-TREE" not in str(plan)


def test_many_queues_cost_a_few_look_ups_each(connection: sqlite3.Connection):
    fill(connection, 1000, queue="'tenant ' || n")
    assert json.loads(connection.execute(STATEMENTS["find_claimable"], CLAIM).fetchone()[0])
    assert steps(connection, "find_claimable", **CLAIM) < 1000 * 400
