"""Claims, waits and the settling of outcomes read by their index, and little more than they take.

Planned anew each time, as where a pooler stands between, and planned once for whatever is asked, as on the store's own
connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest

from afterwards.stores.postgres.heads import Heads
from afterwards.stores.postgres.link import OF_PEOPLE, OF_WORKERS, SETTINGS
from afterwards.stores.postgres.migrations import sql_since
from afterwards.stores.postgres.statements import STATEMENTS
from afterwards.tasks import State
from tests import databases
from tests.stores.explained import as_lists, nodes, plan_of

LIMIT, LONG_CHAIN = 100, 5_000
FORMERS = "SELECT after FROM afterwards_tasks WHERE held = 'after' AND link IS NULL LIMIT 50"
STEPS = "SELECT after FROM afterwards_tasks WHERE queue = 'chains' AND state = %s LIMIT 50"
FILL = """
INSERT INTO afterwards_tasks (
    id, name, arguments, queue, priority, state, held, after, due, added, ended, freed, error, key
)
SELECT gen_random_uuid(), 'tests:work', '{{}}', '{queue}', {priority}, '{state}', {held}, {after},
    now() + interval '{due}' + n * interval '1 microsecond', now(), {ended}, {freed}, {error}, {key}
FROM generate_series(1, {count}) AS n
"""


def fill(connection: psycopg.Connection[Any], count: int, **columns: str) -> None:
    """Many tasks of one kind."""
    usual = {
        "queue": "default",
        "priority": "5",
        "state": "waiting",
        "held": "NULL",
        "after": "NULL",
        "due": "-1 hour",
        "ended": "NULL",
        "freed": "false",
        "error": "NULL",
        "key": "NULL",
    }
    connection.execute(FILL.format(count=count, **{**usual, **columns}).encode())


def fill_chains(connection: psycopg.Connection[Any]) -> None:
    """Chains of which some have ended and others never start; and a long one of which one step waits."""
    fill(connection, 5_000, state="cancelled", after="gen_random_uuid()", ended="now()", freed="true", queue="chains")
    fill(connection, 5_000, held="'after'", after="gen_random_uuid()", queue="chains")
    connection.execute(
        "UPDATE afterwards_tasks SET chain = md5(after::text || sequence % 100), error = '{}', "
        'link = format(\'{"chain":"%s","needs":["%s"]}\', id, after) WHERE queue = \'chains\''
    )
    fill(connection, LONG_CHAIN, state="done", ended="now() - interval '1 hour'", freed="true", queue="long chain")
    fill(connection, 1, due="1 day", queue="long chain")
    connection.execute("UPDATE afterwards_tasks SET chain = 'long' WHERE queue = 'long chain'")


@pytest.fixture(scope="module")
def crowded(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """A database with much that is not to be read. Nobody has told the planner so."""
    with (
        databases.empty_database(request.getfixturevalue("postgres_url")) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        connection.execute(sql_since(0).encode())
        connection.execute("ALTER TABLE afterwards_tasks SET (autovacuum_enabled = off)")
        fill(connection, 20_000, state="done", ended="now()", freed="true")
        fill(connection, 10_000, priority="9", due="1 day")
        fill(connection, 10_000, held="'after'", after="gen_random_uuid()")
        fill(connection, 10_000, held="'limit'")
        connection.execute(
            "UPDATE afterwards_tasks SET gate = 'function:tests:work', gate_key = '', rank = due WHERE held = 'limit'"
        )
        connection.execute(
            "INSERT INTO afterwards_quotas (name, most, declared) VALUES ('function:tests:other', 1, now())"
        )
        fill_chains(connection)
        fill(connection, 10_000, queue="elsewhere")
        fill(connection, 10_000)
        for queue in ("default", "mail", "slow"):
            for priority in range(10):
                fill(connection, 20, queue=queue, priority=str(priority))
        connection.execute(
            "INSERT INTO afterwards_workers (id, host, pid, label, queues, functions, signed_on, expires) "
            "VALUES ('w', 'h', 1, 'l', '{default,mail,slow}', '{}', now(), now() + interval '1 hour')"
        )
        set_all(connection, SETTINGS)
        yield connection


def set_all(connection: psycopg.Connection[Any], settings: Mapping[str, str]) -> None:
    for setting, value in settings.items():
        connection.execute(f"SET {setting} = '{value}'".encode())


ONCE, EACH_TIME = OF_WORKERS, {**OF_WORKERS, "plan_cache_mode": "force_custom_plan"}


@pytest.fixture(autouse=True, params=[ONCE, EACH_TIME], ids=["once", "each time"])
def planned(request: pytest.FixtureRequest, crowded: psycopg.Connection[Any]) -> None:
    """When statements are planned, and how."""
    set_all(crowded, {"enable_bitmapscan": "on", **cast("dict[str, str]", request.param)})


OF_OTHER_TABLES = {
    *(f"afterwards_{table}_pkey" for table in ("workers", "paused", "schedules", "keys", "twins", "quotas", "passes")),
    *("afterwards_keys_until", "afterwards_twins_of", "afterwards_next_opening", "afterwards_openings_of_gate"),
}


def rows_read(plan: dict[str, Any]) -> int:
    """How many rows of tables the scans of this plan looked at."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if "Relation Name" in node and "Scan" in node["Node Type"]
    )


def indexes_of_tasks(plan: dict[str, Any]) -> set[str]:
    """By which indexes the table of tasks was read; its name, where it was read whole."""
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "afterwards_tasks" or "Index Name" in node]
    return {
        node.get("Index Name", node["Node Type"])
        for node in scans
        if node["Node Type"] not in ("ModifyTable", "Bitmap Heap Scan")
    } - OF_OTHER_TABLES


CLAIM: dict[str, object] = {
    "worker": "w",
    "claimers": ["w"],
    "limit": LIMIT,
    "suspects": True,
    "unknown": ["tests:strange"],
    "asks": True,
    "takes": True,
}
SEARCHES = ("ids", "queue", "name", "error", "error_ending", "key", "added_after", "added_before", "after", "bookmark")
ANYTHING: dict[str, object] = {**dict.fromkeys(SEARCHES), "states": list(State), "limit": 50}
GATE = {"gate": "function:tests:work", "key": ""}


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("are_known", [False, True], ids=["lines to be found", "known lines"])
def test_a_claim_reads_its_lines_by_the_index_of_the_claimable(
    crowded: psycopg.Connection[Any], analysed: bool, are_known: bool
):
    if analysed:
        crowded.execute("ANALYZE")
    heads = Heads()
    if are_known:
        heads.found(crowded.execute(STATEMENTS["line_heads"].sql.encode()).fetchall())
    plan = plan_of(crowded, "claim_tasks", **CLAIM, **as_lists(heads.lines))
    assert plan["Actual Rows"] == LIMIT
    assert indexes_of_tasks(plan) == {"afterwards_claimable", "afterwards_suspects", "afterwards_tasks_pkey"}
    assert rows_read(plan) < 30 * LIMIT, "tasks due tomorrow, held ones, other queues and ended ones cost nothing"


def test_a_look_for_the_next_task_reads_the_heads_of_the_lines(crowded: psycopg.Connection[Any]):
    plan = plan_of(crowded, "next_due", worker="w", suspects=True, unknown=[])
    assert indexes_of_tasks(plan) == {"afterwards_claimable", "afterwards_suspects"}
    assert rows_read(plan) < 200


def test_outcomes_find_their_tasks_and_followers_by_index(crowded: psycopg.Connection[Any]):
    ids = [id for [id] in crowded.execute("SELECT id FROM afterwards_tasks WHERE state = 'done' LIMIT 50").fetchall()]
    held = plan_of(crowded, "held_claims", ids=ids, runs=[1] * 50, workers=["w"] * 50)
    assert indexes_of_tasks(held) == {"afterwards_tasks_id_key"}
    freed = plan_of(crowded, "free_followers", ids=ids, claimers=[])
    assert indexes_of_tasks(freed) <= {"afterwards_followers", "afterwards_tasks_pkey"}
    assert rows_read(held) + rows_read(freed) < 500


def test_followers_and_steps_are_freed_by_their_own_index(crowded: psycopg.Connection[Any]):
    formers = [after for [after] in crowded.execute(FORMERS).fetchall()]
    freed = plan_of(crowded, "free_followers", ids=formers, claimers=[])
    steps = [id for [id] in crowded.execute("SELECT id FROM afterwards_tasks WHERE held = 'after' LIMIT 50").fetchall()]
    moved = plan_of(crowded, "free_steps", ids=steps, claimed_by=[None] * len(steps), claimers=[])
    assert moved["Actual Rows"] == len(steps)
    for plan in (freed, moved):
        assert indexes_of_tasks(plan) <= {"afterwards_followers", "afterwards_tasks_pkey", "afterwards_tasks_id_key"}
        assert rows_read(plan) < 1000


@pytest.mark.parametrize("analysed", [False, True])
def test_pruning_asks_of_each_task_of_a_chain_whether_that_has_ended(crowded: psycopg.Connection[Any], analysed: bool):
    if analysed:
        crowded.execute("ANALYZE")
    plan = plan_of(crowded, "prune", older_than=timedelta(0), limit=LIMIT)
    assert indexes_of_tasks(plan) == {"afterwards_ended", "afterwards_chains", "afterwards_tasks_pkey"}
    assert rows_read(plan) < 3 * LONG_CHAIN


@pytest.mark.parametrize("analysed", [False, True])
def test_steps_are_found_by_what_they_wait_for_and_by_what_broke_their_chain(
    crowded: psycopg.Connection[Any], analysed: bool
):
    if analysed:
        crowded.execute("ANALYZE")
    waits_for, broken_by = (
        [after for [after] in crowded.execute(STEPS.encode(), [state]).fetchall()] for state in ("waiting", "cancelled")
    )
    for all_of_them in (False, True):
        held = plan_of(crowded, "lock_steps", ids=waits_for, all=all_of_them)
        assert held["Actual Rows"] == len(waits_for)
        assert indexes_of_tasks(held) == {"afterwards_followers", "afterwards_tasks_pkey"}
        assert rows_read(held) < 20 * len(waits_for)
    broken = plan_of(crowded, "broken_steps", ids=broken_by)
    assert broken["Actual Rows"] == len(broken_by)
    assert indexes_of_tasks(broken) == {"afterwards_broken_chains", "afterwards_tasks_pkey"}
    assert rows_read(broken) < 20 * len(broken_by)


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("states_among", {"ids": [uuid4()]}, "afterwards_tasks_id_key"),
        ("lock_needs", {"ids": [uuid4()]}, "afterwards_tasks_id_key"),
        ("ended_steps", {"ids": [uuid4()]}, "afterwards_tasks_id_key"),
        ("held_keys", {"key_names": ["n"], "keys": ["k"]}, "afterwards_tasks_id_key"),
        ("known_calls", {"ids": [uuid4()]}, "afterwards_tasks_id_key"),
        ("find_by_id", {**ANYTHING, "ids": [uuid4()]}, "afterwards_tasks_id_key"),
        ("dropped_tasks", {"workers": ["w"], "limit": 100}, "afterwards_running"),
        ("cancellations", {"worker": "w"}, "afterwards_running"),
        ("claims", {"worker": "w"}, "afterwards_running"),
        ("free_unknown", {"names": ["tests:work"]}, "afterwards_unknown"),
        ("unknown_names", {}, "afterwards_unknown"),
        ("standing_gates", {"gate": "", "key": "", "limit": 100}, "afterwards_gates"),
        ("let_through", {**GATE, "queue": "mail", "unknown": [], "room": 5}, "afterwards_gates"),
        ("open_gate", {**GATE, "opens": datetime(1970, 1, 1, tzinfo=UTC), "unless": None}, "afterwards_gates"),
        ("open_quota", {"gate": GATE["gate"]}, "afterwards_gates"),
        ("limit_running", {}, "afterwards_running"),
        ("count_recent", {"within": timedelta(hours=1), "limit": 100}, "afterwards_ended"),
    ],
)
def test_every_other_question_of_workers_has_its_index(
    crowded: psycopg.Connection[Any], name: str, values: dict[str, object], index: str
):
    plan = plan_of(crowded, name, **values)
    assert index in indexes_of_tasks(plan)
    assert indexes_of_tasks(plan) <= {index, "afterwards_tasks_pkey"}
    assert rows_read(plan) < 1000


def test_a_line_is_closed_over_by_index(crowded: psycopg.Connection[Any]):
    found = crowded.execute("SELECT id FROM afterwards_tasks WHERE held = 'after' AND link IS NULL LIMIT 50").fetchall()
    plan = plan_of(crowded, "close_over", ids=[id for [id] in found])
    assert indexes_of_tasks(plan) <= {"afterwards_followers", "afterwards_tasks_pkey", "afterwards_tasks_id_key"}
    assert rows_read(plan) < 500


ENDED = {"ended": "now()", "freed": "true"}


@pytest.fixture(scope="module")
def failures(crowded: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The same with failures of three classes, under keys, and done tasks on top; as statistics know it."""
    for kind in ("m.Oops", "n.Oops", "Alas"):
        fill(crowded, 20_000, state="failed", error=f"""'{{"kind": "{kind}"}}'""", key="'k' || n % 200", **ENDED)
    fill(crowded, 2_000, error="""'{"kind": "m.Oops"}'""")
    fill(crowded, 10_000, state="done", **ENDED)
    crowded.execute("ANALYZE")
    return crowded


as_people_ask = pytest.mark.parametrize("planned", [OF_PEOPLE], indirect=True, ids=["of people"])


@as_people_ask
@pytest.mark.parametrize(
    ("way", "values", "index"),
    [
        ("by_error", {"error": "Oops", "error_ending": ".Oops", "states": ["failed"]}, "afterwards_errors"),
        ("by_error", {"error": "n.Oops"}, "afterwards_errors"),
        ("by_error", {"error": "Oops", "error_ending": ".Oops", "states": ["cancelled"]}, "afterwards_errors"),
        ("by_key", {"key": "k7"}, "afterwards_of_key"),
        ("by_state", {"states": ["failed"]}, "afterwards_failed"),
        ("by_state", {"states": ["running", "cancelled"], "queue": "chains"}, "afterwards_cancelled"),
    ],
)
def test_a_search_reads_little_more_than_it_brings(
    failures: psycopg.Connection[Any], way: str, values: dict[str, object], index: str
):
    for statement in (f"find_{way}", f"seek_{way}"):
        plan = plan_of(failures, statement, **{**ANYTHING, **values})
        assert index in indexes_of_tasks(plan)
        assert rows_read(plan) < 700, statement


@as_people_ask
def test_a_page_of_a_search_costs_the_same_wherever_it_begins(failures: psycopg.Connection[Any]):
    values = {**ANYTHING, "error": "Oops", "error_ending": ".Oops", "states": ["failed"]}
    [[first]] = failures.execute("SELECT min(sequence) FROM afterwards_tasks WHERE error IS NOT NULL").fetchall()
    assert rows_read(plan_of(failures, "seek_by_error", **{**values, "bookmark": first + 100})) < 700
