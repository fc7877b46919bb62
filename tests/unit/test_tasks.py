from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from uuid import UUID

import pytest

from afterwards.tasks import Claim, Failure, State, Task, WorkerId

AN_ID = UUID(int=7)
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def a_task(**options):
    return Task(
        id=AN_ID,
        name="m:f",
        arguments="{}",
        queue="default",
        priority=5,
        due=NOW,
        added=NOW,
        state=State.WAITING,
        **options,
    )


def test_the_states_that_have_ended():
    assert {state for state in State if state.ended} == {State.DONE, State.FAILED, State.CANCELLED}


def test_a_state_reads_as_its_word():
    assert f"{State.WAITING}" == "waiting"


def test_a_running_task_is_fenced_by_id_run_and_worker():
    task = a_task(worker=WorkerId("w"), run=3)
    assert task.claim == Claim(id=AN_ID, run=3, worker=WorkerId("w"))


def test_a_task_that_nobody_runs_has_no_claim():
    with pytest.raises(ValueError, match="nobody has claimed it"):
        _ = a_task().claim


def test_a_failure_reads_as_its_message():
    assert str(Failure(kind="ValueError", message="no such user")) == "no such user"


def test_a_task_is_a_value():
    task = a_task()
    assert task == a_task()
    with pytest.raises(FrozenInstanceError):
        setattr(task, "queue", "other")  # noqa: B010  # a type checker refuses the other way
    assert "__dict__" not in dir(task)
    assert all(field.kw_only for field in fields(Task))
