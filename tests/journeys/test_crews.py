"""Eight worker processes on one store: each task runs exactly once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.harness import Journey, until
from tests.journeys.supervised import add, ran_once_each, start_crew

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")

# From what a test can ask for to a function that makes the URL of a store new and empty. More stores are added here.
STORES: dict[str, Callable[[pytest.FixtureRequest], Callable[[Path], str]]] = {
    "sqlite": lambda _: lambda folder: f"sqlite:///{folder}/journey.db",
}


@pytest.fixture(params=STORES)
def on_store(request: pytest.FixtureRequest, journey: Journey) -> Journey:
    """A journey on each store."""
    journey.store = STORES[request.param](request)(journey.folder)
    return journey


def eight_run_each_once(journey: Journey, count: int, *, timeout: float) -> None:
    crew = start_crew(journey, "--processes", "8", "--concurrency", "50")
    crew.until_ready()
    add(journey, *(("work", number, 0.002) for number in range(count)))
    until(lambda: journey.unfinished() == 0, "all are done", timeout=timeout)
    by_process = Counter(words[1] for words in journey.marks("begin"))
    assert crew.terminate() == 0
    ran_once_each(journey, count)
    assert len(by_process) > 1, by_process
    assert "locked" not in journey.output()


def test_eight_processes_run_each_of_two_thousand_tasks_once(on_store: Journey) -> None:
    eight_run_each_once(on_store, 2_000, timeout=40)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_eight_processes_run_each_of_a_hundred_thousand_tasks_once(on_store: Journey) -> None:
    eight_run_each_once(on_store, 100_000, timeout=1500)
