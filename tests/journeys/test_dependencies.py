"""Dependencies of tasks in a worker process of its own."""

from __future__ import annotations

import signal
import sys

from afterwards import State
from tests.journeys.harness import Journey, Server, until

WORKER = [sys.executable, "-m", "afterwards", "worker", "dependent_app:afterwards"]


def serve(journey: Journey) -> Server:
    """The app, which runs no tasks itself."""
    journey.settings["AFTERWARDS_WORKER"] = "0"
    return journey.serve(app="dependent_app:app")


def test_a_separate_worker_solves_with_the_overrides_of_the_app_that_it_imports(journey: Journey) -> None:
    server = serve(journey)
    with server.client() as client:
        assert client.post("/send/7").json() == {"pid": server.process.pid}
    assert journey.marks("sent") == []
    worker = journey.start(WORKER)
    until(lambda: journey.ended() == {7}, "what the task added has run")
    pid = str(worker.pid)
    assert journey.marks("sent") == [["7", "localhost", f"session-{pid}", pid]]
    assert journey.marks("opened") == journey.marks("closed") == [[pid, "1"]]
    assert journey.marks("committed") == [[pid]]
    worker.terminate()
    assert worker.wait(20) == 0
    server.terminate()


def test_what_a_killed_task_had_added_is_not_stored_and_its_next_run_adds_it_once(journey: Journey) -> None:
    server = serve(journey)
    with server.client() as client:
        client.post("/send/7")
    journey.settings["JOURNEY_DIES"] = "1"
    assert journey.start(WORKER).wait(20) == -signal.SIGKILL
    assert len(journey.tasks()) == 1
    worker = journey.start(WORKER)
    until(lambda: journey.ended() == {7}, "its second run has added it")
    until(lambda: journey.unfinished() == 0, "all is settled")
    assert [task.state for task in journey.tasks()] == [State.DONE, State.DONE]
    assert [len(journey.marks(kind)) for kind in ("sent", "opened", "closed", "committed", "end")] == [2, 2, 1, 1, 1]
    worker.terminate()
    server.terminate()
