"""Worker processes that are killed at random: never more than three run at once, seen in the tasks themselves."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.contract.builders import above
from tests.journeys.harness import Journey, until
from tests.journeys.places import on
from tests.journeys.supervised import Crew, add, start_crew

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")

LIMIT = 3
JUST_BEFORE = 0.3  # seconds


def kill_one(journey: Journey) -> None:
    """A process in which one of the tasks runs now, if there is one; its runs count as over from the mark on."""
    running = going_on((journey.folder / "marks").read_text().splitlines())[-1]
    if running:
        process = random.choice(sorted(process for _, process in running))
        with (journey.folder / "marks").open("a") as marks:
            marks.write(f"killed 0 {process} 0\n")
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)


def going_on(marks: Sequence[str]) -> list[set[tuple[str, str]]]:
    """After each mark, which tasks are between their begin and their end in a process that lives."""
    running: set[tuple[str, str]] = set()
    seen: list[set[tuple[str, str]]] = []
    for kind, number, process, _ in (mark.split() for mark in marks):
        if kind == "begin":
            running = running | {(number, process)}
        elif kind == "end":
            running = running - {(number, process)}
        else:
            running = {one for one in running if one[1] != process}
        seen.append(running)
    return seen


def run_limited(journey: Journey, processes: int, count: int, *, kills: int, every: float, timeout: float) -> Crew:
    crew = start_crew(journey, "--processes", str(processes))
    crew.until_ready(timeout=90)
    add(journey, *(("limited", number, 0.004) for number in range(count)))
    for _ in range(kills):
        until(lambda: journey.marks("begin"), "some run", timeout=60)
        time.sleep(every)  # between two kills some time has to pass: what happens then is what is looked at
        kill_one(journey)
    until(lambda: journey.unfinished() == 0, "all are done", timeout=timeout)
    return crew


def never_more_than_three(journey: Journey, count: int, kills: int) -> None:
    most = max(len(running) for running in going_on((journey.folder / "marks").read_text().splitlines()))
    assert most == LIMIT
    assert journey.ended() == set(range(count))
    assert len(journey.marks("begin")) <= count + LIMIT * kills


@on("postgres")
@pytest.mark.timeout(200)
def test_never_more_than_three_of_four_processes_run_at_once_though_some_are_killed(on_store: Journey) -> None:
    crew = run_limited(on_store, 4, 300, kills=2, every=0.3, timeout=120)
    never_more_than_three(on_store, 300, 2)
    assert crew.terminate() == 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_never_more_than_three_of_eight_processes_run_at_once_over_ten_thousand_tasks(on_store: Journey) -> None:
    crew = run_limited(on_store, 8, 10_000, kills=15, every=2.0, timeout=1500)
    never_more_than_three(on_store, 10_000, 15)
    assert crew.terminate() == 0


def run_rated(journey: Journey, processes: int, count: int, rate: str, *, timeout: float) -> list[float]:
    """When each of the tasks began, in seconds by the store's clock; its claim, which is counted, was just before."""
    journey.settings["JOURNEY_RATE"] = rate
    crew = start_crew(journey, "--processes", str(processes))
    crew.until_ready(timeout=90)
    add(journey, *(("rated", number, 0.0) for number in range(count)))
    until(lambda: journey.unfinished() == 0, "all are done", timeout=timeout)
    assert crew.terminate() == 0
    return sorted(task.started.timestamp() for task in journey.tasks() if task.started is not None)


@on("sqlite")
def test_processes_hold_to_a_rate_together(on_store: Journey) -> None:
    started = run_rated(on_store, 2, 60, "20/second", timeout=30)
    assert len(started) == 60
    assert above(started, 20, 1.0 - JUST_BEFORE) == []


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_processes_hold_to_a_rate_together_over_minutes(on_store: Journey) -> None:
    started = run_rated(on_store, 4, 1_500, "600/minute", timeout=200)
    assert above(started, 600, 60.0 - JUST_BEFORE) == []
    assert sum(start < started[0] + 120.0 for start in started) >= 0.99 * 1_200


@on("valkey")
def test_a_killed_process_frees_its_places_within_two_seconds(on_store: Journey) -> None:
    journey = on_store
    crew = start_crew(journey, "--processes", "2")
    crew.until_ready()
    add(journey, *(("limited", number, 600.0) for number in range(6)))
    until(lambda: len(journey.marks("begin")) == LIMIT, "three run")
    victim, its_own = Counter(words[1] for words in journey.marks("begin")).most_common(1)[0]
    os.kill(int(victim), signal.SIGKILL)
    until(lambda: len(journey.marks("begin")) == LIMIT + its_own, "others run in their place", timeout=2.5)
    assert crew.process.poll() is None
