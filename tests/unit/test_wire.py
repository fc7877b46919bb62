"""What a worker and its processes say to each other comes back as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from afterwards import Retry
from afterwards.outcomes import done, failed
from afterwards.processes.wire import LENGTH_BYTES, Begin, Ended, Line, Run, Said, frame, length_of, said_in
from afterwards.tasks import Call, Failure, State, Task, WorkerId

NOW = datetime(2026, 11, 24, 18, 30, 0, 123456, tzinfo=UTC)
TASK = Task(
    id=uuid4(),
    name="m:f",
    arguments='{"a":"\\u0000"}',
    state=State.RUNNING,
    queue="mail",
    priority=9,
    due=NOW,
    added=NOW,
    started=NOW,
    deadline=NOW,
    run=7,
    worker=WorkerId("w"),
    timeout=timedelta(microseconds=1_234_567),
    error=Failure(kind="ValueError", message="before"),
)
CALLS = (
    Call(
        id=uuid4(), name="m:g", arguments="{}", delay=timedelta(days=40, microseconds=1), deadline=timedelta(seconds=9)
    ),
    Call(id=uuid4(), name="m:g", arguments="{}", due=NOW, deadline=NOW),
)


@pytest.mark.parametrize(
    "said",
    [
        Begin(modules=("a", "b"), levels={"": 30, "x.y": 10}),
        Run(task=TASK, module="m", url="sqlite://"),
        Ended(outcome=done(TASK.claim, took=timedelta(microseconds=9), result="[1]", calls=CALLS, settled=True)),
        Ended(outcome=failed(TASK.claim, Failure(kind="k", message="m", traceback="t"))),
        Ended(outcome=None),
        Line(
            name="a",
            level=1,
            text="é",
            created=1.5,
            path="p",
            lineno=3,
            function=None,
            thread="t",
            traceback=None,
            more={"n": 1, "f": 0.5, "none": None, "yes": True},
        ),
    ],
    ids=lambda said: said.says,
)
def test_it_comes_back_as_it_was(said: Said) -> None:
    assert there_and_back(said) == said


def test_a_policy_comes_back_with_the_names_of_its_classes() -> None:
    policy = Retry(attempts=7, first=timedelta(seconds=1), only=(LookupError, "some.Error"))
    named = Retry(attempts=7, first=1.0, only=("LookupError", "some.Error"))
    run = Run(task=replace(TASK, retry=policy), module="m", url="sqlite://")
    assert there_and_back(run) == replace(run, task=replace(TASK, retry=named))
    ended = Ended(outcome=done(TASK.claim, calls=(replace(CALLS[0], retry=policy),)))
    back = there_and_back(ended)
    assert isinstance(back, Ended)
    assert back.outcome is not None
    assert back.outcome.calls == (replace(CALLS[0], retry=named),)


def there_and_back(said: Said) -> Said:
    sent = frame(said)
    assert length_of(sent[:LENGTH_BYTES]) == len(sent) - LENGTH_BYTES
    return said_in(sent[LENGTH_BYTES:])
