"""What `afterwards show` says of what a run has told and left."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from afterwards.cli.portrait import as_json, as_page
from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.tasks import LogLine, Progress, State, Task

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
