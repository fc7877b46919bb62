"""What is told to a probe, decided from what the processes reported."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from afterwards.supervisor.health import SILENT_AFTER, Health, Seen
from afterwards.supervisor.lines import how_it_ended
from afterwards.supervisor.reports import CannotStart, Report, from_line, to_line

WELL = Report(up=True, signed_on=True, ended=5, resident=1000)
SEEN = Seen(number=2, pid=123, report=WELL)


def test_a_process_that_works_is_ready():
    assert SEEN.trouble is None
    assert SEEN.as_json() == {
        "number": 2,
        "pid": 123,
        "ready": True,
        "reason": None,
        "ended": 5,
        "resident": 1000,
    }


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(SEEN, pid=None), "it is not running"),
        (replace(SEEN, report=None), "it has not started yet"),
        (replace(SEEN, report=Report()), "it has not started yet"),
        (replace(SEEN, silent=SILENT_AFTER + 2), "it has not reported for 12 s"),
        (replace(SEEN, report=replace(WELL, away="locked")), "the store does not answer: locked"),
        (replace(SEEN, report=replace(WELL, signed_on=False)), "it has not signed on"),
    ],
)
def test_one_that_does_not_work_says_why(seen: Seen, reason: str):
    assert seen.trouble == reason
    assert (seen.as_json()["ready"], seen.as_json()["reason"]) == (False, reason)


def test_all_are_ready_when_each_is():
    health = Health(processes=[SEEN, replace(SEEN, number=3)], stopping=False)
    assert health.trouble is None
    assert health.as_json()["ready"] is True


def test_one_that_is_not_makes_the_whole_not_ready_and_is_named():
    health = Health(processes=[SEEN, replace(SEEN, number=3, pid=None)], stopping=False)
    assert health.trouble == "process 3: it is not running"
    assert json.loads(json.dumps(health.as_json()))["reason"] == health.trouble


def test_what_stops_is_not_ready():
    assert Health(processes=[SEEN], stopping=True).trouble == "it is stopping"


@pytest.mark.parametrize(
    "said", [WELL, Report(), Report(away="\x1b[31m – 中\n", enough="ran"), CannotStart(text="no module\n\nmain")]
)
def test_what_a_child_says_is_heard_as_it_was_said(said: Report | CannotStart):
    line = to_line(said)
    assert line.count(b"\n") == 1
    assert from_line(line) == said


def test_a_very_long_traceback_is_cut():
    heard = from_line(to_line(CannotStart(text="x" * 10**7)))
    assert isinstance(heard, CannotStart)
    assert len(heard.text) == 100_000


def test_the_end_of_a_process_is_told_in_words():
    assert how_it_ended(1) == "ended with code 1"
    assert how_it_ended(-9) == "was ended by SIGKILL"
    assert how_it_ended(-200) == "was ended by signal 200"
