"""Which steps a schema still lacks, and who may work with it."""

from __future__ import annotations

import pytest

from afterwards.errors import StoreUnusable
from afterwards.migrations import Migration, Schema, pending, read, refuse_pending, schema, script


def steps(*oldest_code: int) -> list[Migration]:
    """One step for each of these, numbered from 1."""
    return [
        Migration(version=version, oldest_code=oldest, sql=f"STEP {version};\n")
        for version, oldest in enumerate(oldest_code, start=1)
    ]


def test_steps_are_read_in_the_order_of_their_numbers():
    named = {"0002_more.sql": "-- oldest code: 1\nSELECT 2;", "0001_tasks.sql": "-- oldest code: 1\nSELECT 1;"}
    assert [(step.version, step.oldest_code) for step in read(named)] == [(1, 1), (2, 1)]
    assert read(named)[1].sql.endswith("SELECT 2;")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("0001_tasks.sql", "SELECT 1;", "0001_tasks.sql does not say which code"),
        ("0001_tasks.sql", "  -- oldest code: 1", "does not say"),
        ("tasks.sql", "-- oldest code: 1", "tasks.sql has not the form"),
        ("1_tasks.sql", "-- oldest code: 1", "1_tasks.sql has not the form"),
        ("0001_tasks.sql", "-- oldest code: 2", "version 1, so code 2 cannot be its oldest"),
        ("0001_tasks.sql", "-- oldest code: 0", "code 0 cannot be"),
        ("0002_tasks.sql", "-- oldest code: 1", "step 1 is missing"),
    ],
)
def test_a_file_that_is_no_step_is_named(name: str, text: str, says: str):
    with pytest.raises(ValueError, match=says):
        read({name: text})


def test_two_steps_of_one_number_are_refused():
    with pytest.raises(ValueError, match="step 2 is missing"):
        read({"0001_a.sql": "-- oldest code: 1", "0001_b.sql": "-- oldest code: 1"})


@pytest.mark.parametrize(
    ("applied", "expected"), [({}, [1, 2, 3]), ({1: 1}, [2, 3]), ({1: 1, 2: 1, 3: 1}, []), ({1: 1, 3: 1}, [2])]
)
def test_what_was_not_taken_is_pending(applied: dict[int, int], expected: list[int]):
    assert [step.version for step in pending(steps(1, 1, 1), applied, "here")] == expected


def test_a_newer_schema_that_allows_this_code_is_worked_with():
    assert pending(steps(1, 1), {1: 1, 2: 1, 3: 2, 4: 2}, "here") == []


@pytest.mark.parametrize("applied", [{1: 1, 2: 1, 3: 3}, {1: 1, 2: 1, 3: 3, 4: 1}, {1: 1, 2: 1, 3: 2, 4: 3}])
def test_a_newer_schema_that_forbids_this_code_is_refused_whatever_came_later(applied: dict[int, int]):
    with pytest.raises(StoreUnusable, match=rf"^here has a schema of version {max(applied)}, .*version 3 .*knows 2"):
        pending(steps(1, 1), applied, "here")


def test_own_steps_do_not_forbid_this_code():
    assert pending(steps(1, 2), {1: 1, 2: 2}, "here") == []


def test_code_that_may_not_take_steps_says_who_may():
    with pytest.raises(StoreUnusable, match=r"here has no schema yet: run `afterwards migrate`"):
        refuse_pending(steps(1), {}, "here")
    with pytest.raises(StoreUnusable, match=r"version 1, and 2 is needed: run `afterwards migrate`"):
        refuse_pending(steps(1, 1), {1: 1}, "here")
    with pytest.raises(StoreUnusable, match="upgrade afterwards"):
        refuse_pending(steps(1), {1: 1, 2: 2}, "here")
    refuse_pending(steps(1), {1: 1}, "here")
    refuse_pending(steps(1), {1: 1, 2: 1}, "here")


@pytest.mark.parametrize(
    ("applied", "version", "is_behind"), [({}, 0, True), ({1: 1}, 1, True), ({1: 1, 2: 1, 3: 2}, 3, False)]
)
def test_a_schema_knows_where_it_stands(applied: dict[int, int], version: int, is_behind: bool):
    stands = schema(steps(1, 1), applied)
    assert (stands, stands.is_behind) == (Schema(version=version, newest=2), is_behind)


def test_a_script_is_one_transaction_in_which_each_step_is_recorded():
    text = script(steps(1, 1), begin=["BEGIN;", "VERSIONS;"], record=lambda step: f"RECORD {step.version};", spell=str)
    assert [line for line in text.splitlines() if line and not line.startswith("--")] == [
        *("BEGIN;", "VERSIONS;", "STEP 1;", "RECORD 1;", "STEP 2;", "RECORD 2;", "COMMIT;")
    ]


def test_there_is_no_script_where_nothing_is_to_do():
    assert script([], begin=["BEGIN;"], record=lambda _: "", spell=str) == ""
