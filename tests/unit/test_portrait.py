"""What `afterwards show` says of what a run has told and left."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from afterwards.cli.portrait import as_json, as_page
from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.tasks import Failure, LogLine, Progress, State, Task, Try, TryEnding

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)


def a_task(progress: Progress | None = None) -> Task:
    line = LogLine(at=NOW, level="WARNING", logger="mine", text="care\x1b[2Jful\nTraceback")
    return Task(
        id=new_id(),
        name="shop:work",
        arguments="{}",
        state=State.RUNNING,
        queue="default",
        priority=5,
        due=NOW,
        added=NOW,
        returned='{"pages": 3}',
        progress=progress,
        logs=(line,),
    )


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(done=3, of=10, say="page\x1b 3"), "3 of 10 (30 %), page\\x1b 3"),
        (Progress(done=0.5), "0.5"),
        (Progress(done=0, of=0), "0 of 0"),
        (Progress(done=1_234_567, of=2_000_000), "1234567 of 2000000 (62 %)"),
    ],
)
def test_a_page_says_how_far_it_is(progress: Progress, said: str):
    assert f"progress    {said}\n" in as_page(a_task(progress), NOW)


def test_a_page_shows_result_and_logs_without_what_steers_a_terminal():
    page = as_page(a_task(), NOW)
    assert 'result      {"pages": 3}' in page
    assert "logs        04:05:06 WARNING mine: care" in page
    assert "\x1b" not in page


def test_the_trace_that_added_it_is_named():
    task = replace(a_task(), trace=f'{{"traceparent": "00-{7:032x}-{8:016x}-01"}}')
    assert f"trace       {7:032x}\n" in as_page(task, NOW)
    assert as_json(task)["trace"] == f"{7:032x}"
    assert "trace  " not in as_page(a_task(), NOW)


def test_a_step_shows_its_chain_and_what_it_needs():
    chain, *needs = (new_id() for _ in range(6))
    task = replace(a_task(), link=Link(chain=chain, needs=tuple(needs), anyway=True))
    named = ", ".join(map(str, needs[:3]))
    assert f"chain       {chain}, needs {named} and 2 more, done or not\n" in as_page(task, NOW)
    told = as_json(task)
    assert (told["chain"], told["needs"]) == (str(chain), [str(id) for id in needs])
    assert "chain" not in as_page(a_task(), NOW)


def test_what_nobody_reads_on_a_terminal_is_cut_and_whole_in_json():
    task = replace(a_task(), arguments=f'{{"text": "{"x" * 20_000}"}}')
    page = as_page(task, NOW)
    assert re.search(r"… and 10,\d\d\d characters more", page)
    assert len(page) < 12_000
    assert as_json(task)["arguments"] == {"text": "x" * 20_000}


def test_json_knows_no_nan():
    assert as_json(replace(a_task(), returned="[NaN, Infinity, 1]"))["result"] == [None, None, 1]


def test_json_has_them_for_programs():
    told = as_json(a_task(Progress(done=1, of=2)))
    assert (told["progress"], told["result"]) == ({"done": 1, "of": 2, "say": ""}, {"pages": 3})
    assert told["logs"] == [
        {"at": NOW.isoformat(), "level": "WARNING", "logger": "mine", "text": "care\x1b[2Jful\nTraceback"}
    ]


def tried() -> Task:
    error = Failure(kind="ValueError", message="bad\x1b[2J\nnews")
    first = Try(
        number=1, run=1, attempt=1, started=NOW, ended=NOW + timedelta(seconds=2), ending=TryEnding.FAILED, error=error
    )
    began, died = NOW + timedelta(seconds=5), NOW + timedelta(seconds=6)
    second = Try(number=2, run=3, attempt=2, started=began, ended=died, ending=TryEnding.CRASHED)
    return replace(a_task(), attempt=2, run=4, started=NOW + timedelta(seconds=10), tries=(first, second))


def test_a_page_tells_each_try_in_a_line():
    lines = as_page(tried(), NOW + timedelta(seconds=15)).splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("tries"))
    assert lines[place : place + 3] == [
        "tries       1: 2031-02-03 04:05:06 UTC, 15 s ago, waited 0 ms, ran 2 s, failed: ValueError: bad\\x1b[2J",
        "            2: 2031-02-03 04:05:11 UTC, 10 s ago, waited 3 s, ran 1 s, its process died",
        "            2: 2031-02-03 04:05:16 UTC, 5 s ago, waited 4 s, running",
    ]
    assert "tries" not in as_page(a_task(), NOW)


def test_a_page_says_which_tries_are_missing():
    missing = replace(tried(), tries=tried().tries[1:])
    assert "tries       earlier ones are not kept\n            2: " in as_page(missing, NOW)
    assert "tries       earlier ones are not kept\n" in as_page(replace(tried(), tries=()), NOW)


def test_programs_are_told_each_try():
    first, second = cast("list[dict[str, object]]", as_json(tried())["tries"])
    assert first == {
        "number": 1,
        "run": 1,
        "attempt": 1,
        "started": "2031-02-03T04:05:06+00:00",
        "ended": "2031-02-03T04:05:08+00:00",
        "ending": "failed",
        "error": {"kind": "ValueError", "message": "bad\x1b[2J\nnews"},
    }
    assert (second["ending"], second["error"]) == ("crashed", None)
    assert as_json(a_task())["tries"] == []
