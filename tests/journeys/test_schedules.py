"""Several processes of one app with a schedule, and kills: each tick is made once, and none is left out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import pytest

from tests import databases
from tests.journeys.harness import Journey, free_port, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


# From what a test can ask for to the URL of a store new and empty; None for a file in the journey's folder.
STORES: dict[str, Callable[[pytest.FixtureRequest], str | None]] = {
    "sqlite": lambda _: None,
    "postgres": databases.new,
    "valkey": lambda request: f"{request.getfixturevalue('valkey_url')}?tag={uuid4().hex}",
}


@pytest.fixture(params=STORES)
def on_store(request: pytest.FixtureRequest, journey: Journey) -> Journey:
    """A journey on each store."""
    journey.store = STORES[request.param](request)
    return journey


def ticks(journey: Journey) -> list[datetime]:
    return sorted(task.due for task in journey.tasks())


def until_done(journey: Journey, count: int) -> None:
    until(lambda: len(journey.marks("tick")) >= count, f"{count} ticks have run", timeout=60)


@pytest.mark.timeout(200)
def test_four_processes_make_each_tick_once_also_when_some_are_killed(on_store: Journey):
    journey = on_store
    journey.start([sys.executable, "-m", "uvicorn", "ticking:app", "--port", str(free_port()), "--workers", "4"])
    for count in (2, 4):
        until_done(journey, count)
        os.kill(int(journey.marks("tick")[-1][0]), signal.SIGKILL)
    until_done(journey, 7)
    made = ticks(journey)

    # One for each second from the first to the last; what a kill interrupted is due anew, between two others.
    assert len(made) - 1 == round((made[-1] - made[0]).total_seconds())
    assert len(set(made)) == len(made)
    assert {task.name for task in journey.tasks()} == {"ticking:tick"}
