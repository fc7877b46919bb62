"""Several processes of one app with a schedule, and kills: each tick is made once, and none is left out."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime

import pytest

from tests.journeys.harness import Journey, free_port, until
from tests.journeys.places import on

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


def ticks(journey: Journey) -> list[datetime]:
    return sorted(task.due for task in journey.tasks())


def until_done(journey: Journey, count: int) -> None:
    until(lambda: len(journey.marks("tick")) >= count, f"{count} ticks have run", timeout=60)


@on("valkey")
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
