"""Worker processes that are killed and started anew: what is told of all of them never falls."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from afterwards import Afterwards
from tests import scrapes
from tests.journeys.harness import Journey, until
from tests.journeys.places import on
from tests.journeys.supervised import Crew, add, let_go, start_crew

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


class Scraper:
    """Looks again and again, from a process that runs no task; a sum that falls is an error at once."""

    def __init__(self, url: str) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Afterwards(url=url, worker=False).metrics())
        self._sums: dict[scrapes.Series, float] = {}

    def look(self) -> dict[scrapes.Series, float]:
        families = scrapes.read(generate_latest(self._registry).decode())
        sums = scrapes.sums(families)
        assert scrapes.fallen(self._sums, sums) == {}
        self._sums = sums
        return scrapes.values(families)

    def done(self, function: str = "work") -> float:
        return scrapes.total(self.look(), "afterwards_runs_total", function=function, ending="done")

    def rescued(self) -> float:
        return scrapes.total(self.look(), "afterwards_rescued_tasks_total", state="waiting")


def all_done(journey: Journey, scraper: Scraper) -> None:
    until(lambda: scraper.look() and journey.unfinished() == 0, "all are done", timeout=60)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def until_another(crew: Crew, scraper: Scraper, before: list[int]) -> None:
    """The supervisor has put another process in the place of the one that was killed."""
    until(
        lambda: scraper.look() and crew.is_ready() and len(crew.pids()) == 2 and set(crew.pids()) != set(before),
        "another has come",
        timeout=60,
    )


@on("sqlite")
@pytest.mark.timeout(240)
def test_no_sum_falls_when_one_of_two_is_killed_and_both_are_started_anew(on_store: Journey) -> None:
    journey = on_store
    journey.settings["JOURNEY_LEASE"] = "3"  # it is soon renewed
    crew, scraper = start_crew(journey, "--processes", "2"), Scraper(journey.url)
    before = crew.until_ready(timeout=60)

    add(journey, *(("work", number, 0.01) for number in range(200)))
    until(lambda: scraper.done() == 200, "all runs are told with the next renewals", timeout=60)

    kill(before[0])
    until_another(crew, scraper, before)
    add(journey, *(("work", number, 0.01) for number in range(200, 400)))
    until(lambda: scraper.done() == 400, "what the dead one had told is not lost, nor told twice", timeout=60)

    assert crew.terminate() == 0
    assert scraper.done() == 400
    crew = start_crew(journey, "--processes", "2")
    crew.until_ready(timeout=60)
    add(journey, *(("work", number, 0.01) for number in range(400, 500)))
    all_done(journey, scraper)
    assert crew.terminate() == 0
    assert scraper.done() == 500, "a clean stop leaves nothing untold"
    told = scraper.look()
    assert scrapes.total(told, "afterwards_run_seconds_count", function="work") == 500
    assert scrapes.total(told, "afterwards_run_seconds_sum", function="work") >= 500 * 0.01
    assert scrapes.total(told, "afterwards_wait_seconds_count", function="work") == 500


@on("postgres")
@pytest.mark.timeout(240)
def test_what_ran_in_a_killed_process_is_told_as_rescued_and_then_as_done(on_store: Journey) -> None:
    journey = on_store
    journey.settings["JOURNEY_LEASE"] = "3"  # it is soon renewed
    crew, scraper = start_crew(journey, "--processes", "2"), Scraper(journey.url)
    before = crew.until_ready(timeout=60)
    add(journey, *(("hold", number, 0.0) for number in range(20)))
    until(lambda: len(journey.marks("begin")) == 20, "all run")
    victim = int(journey.marks("begin")[0][1])
    its_own = {words[0] for words in journey.marks("begin") if int(words[1]) == victim}
    assert victim in before
    kill(victim)
    until(lambda: scraper.rescued() == len(its_own), "it is told that they were rescued", timeout=60)
    let_go(journey)
    all_done(journey, scraper)
    assert crew.terminate() == 0
    assert scraper.done("hold") == 20
    assert scraper.rescued() == len(its_own)
