"""The lines that are written, and that each kind that is heard has one."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from afterwards import events
from afterwards.events import Event, TasksAdded, TasksRescued, TaskStarted, WorkerStopped
from afterwards.ids import new_id
from afterwards.logs import WRITTEN, write_logs
from afterwards.tasks import State, Task, WorkerId

NOW = datetime(2026, 11, 24, tzinfo=UTC)
A_TASK = Task(
    id=new_id(), name="main:send", arguments="{}", state=State.WAITING, queue="mail", priority=5, due=NOW, added=NOW
)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.WAITING, "runs again"),
        (State.CANCELLED, "asked to stop, and its worker is gone: it is cancelled"),
        (State.FAILED, "it has taken 3 processes with it"),
    ],
)
def test_a_rescued_task_is_told_as_what_it_has_become(state: State, words: str, caplog: pytest.LogCaptureFixture):
    write_logs(TasksRescued(tasks=(replace(A_TASK, state=state, crashes=3),)))
    [line] = caplog.messages
    assert line.startswith(f"main:send {A_TASK.id}")
    assert words in line
    assert state is State.WAITING or "again" not in line
    assert "died" not in line, "a worker that was leaving did not die"


@pytest.mark.parametrize(("abandoned", "end"), [(0, "stopped"), (2, "stopped; 2 tasks still run in threads")])
def test_a_worker_that_stopped_tells_of_threads_only_if_there_are_some(
    abandoned: int, end: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    write_logs(WorkerStopped(worker=WorkerId("it"), abandoned=abandoned))
    assert caplog.messages == [f"worker it {end}"]


def test_every_kind_of_event_is_written_but_those_that_are_many():
    kinds = {each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)} - {Event}
    assert kinds - set(WRITTEN) == {TasksAdded, TaskStarted}


def test_what_is_not_written_is_passed_over(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    write_logs(TaskStarted(task=A_TASK))
    assert caplog.messages == []
