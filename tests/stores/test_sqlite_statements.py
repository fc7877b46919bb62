"""The file of statements and the code that asks for them."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterwards.statements import parse
from afterwards.stores.sqlite import statements
from afterwards.stores.sqlite.migrations import migrate, migrations, statements_of
from afterwards.stores.sqlite.statements import STATEMENTS

SOURCE = Path(statements.__file__).parent
ASKING = {"execute", "number", "rows", "strings", "numbers"}


def asked_for() -> Iterator[str]:
    """The names of statements in calls such as `transaction.rows("find_tasks")`."""
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=verb, value=ast.Name(id="transaction")), args=[first, *_]) if (
                    verb in ASKING
                ):
                    yield from strings_in(first)
                case _:
                    pass


def strings_in(tree: ast.expr) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(name)):
                yield name
            case _:
                pass


@pytest.fixture
def empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path("memory"))
    return connection


def test_every_statement_that_is_asked_for_exists():
    names = set(asked_for())
    assert names, "the code asks for statements"
    assert names - set(STATEMENTS) == set()


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_understood(empty: sqlite3.Connection, name: str):
    names = dict.fromkeys(re.findall(r":(\w+)", STATEMENTS[name]))
    parameters = [None] * STATEMENTS[name].count("?") or names
    empty.execute(f"EXPLAIN {STATEMENTS[name]}", parameters)
    empty.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_needs_more_than_sqlite_3_35(name: str):
    newer = r"->|\bRETURNING\b|\bunixepoch\b|\bsubsec\b|\bjsonb|\bunhex\b|\bstring_agg\b|\bRIGHT JOIN\b|\bFULL JOIN\b"
    assert re.findall(newer, STATEMENTS[name]) == []


def test_fragments_are_put_into_statements_and_each_other():
    text = "-- fragment: a\n-- Why.\n1\n\n-- fragment: b\n-- Why.\n{a} + {a}\n\n-- name: sum\n-- Why.\nSELECT {b}\n"
    assert parse(text) == {"sum": "SELECT 1 + 1"}


def test_a_fragment_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        parse("-- name: sum\n-- Why.\nSELECT {nothing}\n")


def test_migrations_are_numbered_without_gaps_and_each_says_which_code_may_go_on():
    steps = migrations()
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert all(1 <= step.oldest_code <= step.version for step in steps)


def test_a_migration_is_cut_into_its_statements():
    assert list(statements_of("CREATE TABLE a (b);\n-- a; comment\nCREATE TABLE c (\n  d\n);\n")) == [
        "CREATE TABLE a (b);",
        "-- a; comment\nCREATE TABLE c (\n  d\n);",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "state = 'running'",
        "held = 'after', state = 'running', worker = 'w', after = 'x'",
        "worker = 'w'",
        "ended = 1",
        "state = 'done'",
        "state = 'done', ended = 1",
        "held = 'after'",
        "priority = 10",
        "attempt = -1",
    ],
)
def test_the_schema_refuses_what_a_task_cannot_be(empty: sqlite3.Connection, broken: str):
    empty.execute(
        "INSERT INTO afterwards_tasks (id, name, arguments, queue, priority, state, due, added)"
        " VALUES ('i', 'n', '{}', 'q', 5, 'waiting', 1, 1)"
    )
    with pytest.raises(sqlite3.IntegrityError):
        empty.execute(f"UPDATE afterwards_tasks SET {broken}")
    empty.close()
