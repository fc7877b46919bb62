"""How much room there is, and what may not start yet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from afterwards import slots
from afterwards.ids import new_id
from afterwards.slots import Slots
from afterwards.tasks import State, Task, WorkerId

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claimed(*, suspect: bool = False) -> Task:
    return Task(
        id=new_id(),
        name="m:f",
        arguments="{}",
        state=State.RUNNING,
        queue="default",
        priority=5,
        due=NOW,
        added=NOW,
        run=1,
        attempt=1,
        suspect=suspect,
        worker=WorkerId("w"),
    )


def test_promises_and_running_tasks_take_room() -> None:
    room = Slots(5)
    running = claimed()
    assert room.promise(2)
    room.begin(running)
    assert room.room == 2
    room.unpromise(2)
    room.end(running)
    assert room.room == 5


def test_parked_tasks_take_no_room_but_stop_the_hand_off() -> None:
    room = Slots(2)
    slow = [claimed(), claimed()]
    room.hold_back(task.id for task in slow)
    assert all(room.park(task) for task in slow)
    assert room.room == 2, "slow downloads must not keep everything else from running"
    assert not room.promise(1)
    assert room.let_go(task.id for task in slow) == slow
    assert room.promise(1)


def test_a_promise_is_for_all_or_none() -> None:
    room = Slots(2)
    assert not room.promise(3)
    assert room.room == 2


def test_a_task_whose_response_is_out_is_not_parked() -> None:
    room = Slots(1)
    task = claimed()
    assert not room.park(task)
    room.hold_back([task.id])
    assert room.let_go([task.id]) == []
    assert not room.park(task)


def test_a_task_that_still_runs_here_does_not_begin_again() -> None:
    room = Slots(2)
    task = claimed()
    assert room.begin(task)
    assert not room.begin(task)
    room.end(task)
    assert room.begin(task)


def test_what_is_parked_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Slots(2)
    task = claimed()
    room.hold_back([task.id])
    room.park(task)
    assert room.overdue() == []
    monkeypatch.setattr(slots, "LONGEST_PARKED", -1.0)
    assert room.overdue() == [task]
    assert room.room == 2
    assert room.park(task), "its response is still to be sent: claimed again, it is parked again"


def test_a_suspect_counts_while_it_runs_and_while_it_is_parked() -> None:
    room = Slots(3)
    suspect = claimed(suspect=True)
    room.begin(claimed())
    assert not room.runs_suspect()
    room.hold_back([suspect.id])
    room.park(suspect)
    assert room.runs_suspect()
    [freed] = room.let_go([suspect.id])
    assert not room.runs_suspect()
    room.begin(freed)
    assert room.runs_suspect()


def test_a_response_that_nobody_ever_reports_holds_nothing_back_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Slots(2)
    task = claimed()
    room.hold_back([task.id])
    monkeypatch.setattr(slots, "LONGEST_HELD", -1.0)
    room.overdue()
    assert not room.park(task)
