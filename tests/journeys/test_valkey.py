"""An app and separate workers on Valkey: workers killed and stopped, the server killed and started again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from afterwards import State
from tests import servers
from tests.journeys.harness import Journey, until
from tests.journeys.load import Load, all_has_run, pids_of_workers, start_worker

BACK_WITHIN = 5.0


@pytest.fixture
def valkey(journey: Journey) -> Iterator[servers.Server]:
    """A server of the test's own, which loses nothing; the journey's store is in it."""
    with servers.valkey(*servers.NOTHING_LOST) as server:
        journey.store = server.url
        journey.settings["AFTERWARDS_WORKER"] = "0"
        yield server
        journey.end()


def test_no_accepted_task_is_lost_when_a_worker_is_killed_under_load(journey: Journey, valkey: servers.Server) -> None:
    app = journey.serve()
    load = Load(app)
    workers = [start_worker(journey), start_worker(journey)]
    for victim in range(2):
        enough = len(load.accepted) + 80
        until(partial(load.has_grown_to, enough), "80 more are accepted")
        workers[victim].kill()
        workers[victim].wait(10)
        workers.append(start_worker(journey))
    load.stop()
    all_has_run(journey, load)
    assert load.others == {}
    pids = {str(worker.pid) for worker in workers}
    assert {words[1] for words in journey.marks("begin")} <= pids, "the app itself runs nothing"


def test_a_killed_workers_tasks_run_elsewhere_within_two_seconds(journey: Journey, valkey: servers.Server) -> None:
    app = journey.serve()
    victim = start_worker(journey)
    with app.client() as client:
        for number in range(20):
            client.post(f"/coroutine/{number}", params={"seconds": 60})
    until(lambda: len(journey.marks("begin")) == 20, "all run")
    survivor = start_worker(journey)
    killed_at = time.monotonic()
    victim.kill()
    until(lambda: len(journey.marks("begin")) == 40, "they run again")
    waited = time.monotonic() - killed_at
    assert waited < 3.0, f"the lease is 15 s, the free lock tells at once; it took {waited:.1f} s"
    assert {words[1] for words in journey.marks("begin")[20:]} == {str(survivor.pid)}
    assert {words[2] for words in journey.marks("begin")[20:]} == {"2"}, "each has the next run"


def test_a_worker_that_was_stopped_and_continued_settles_nothing(journey: Journey, valkey: servers.Server) -> None:
    journey.settings["JOURNEY_LEASE"] = "2"
    app = journey.serve()
    stopped = start_worker(journey)
    with app.client() as client:
        client.post("/coroutine/1", params={"seconds": 1.5})
    until(lambda: len(journey.marks("begin")) == 1, "it runs")
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        other = start_worker(journey)
        until(lambda: len(journey.marks("begin")) == 2, "its lease is over, and the task runs elsewhere", timeout=10)
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    until(lambda: journey.unfinished() == 0, "it is settled", timeout=10)
    [task] = journey.tasks()
    assert (task.state, task.run, task.crashes) == (State.DONE, 2, 1)
    ends = [words for words in journey.marks("end") if words[2] == "2"]
    assert ends == [["1", str(other.pid), "2"]]
    until(lambda: stopped.pid in pids_of_workers(journey), "the one that was stopped signs on anew", timeout=10)
    with app.client() as client:
        for number in range(2, 40):
            client.post(f"/coroutine/{number}", params={"seconds": 0.05})
    until(lambda: len(journey.ended()) == 39, "both work on")
    assert stopped.poll() is None
    assert other.poll() is None


def server_is_killed(journey: Journey, valkey: servers.Server, *, times: int, away: float) -> None:
    """Kill the server again and again under load, and see that work resumes and nothing is lost."""
    app = journey.serve()
    workers = [start_worker(journey), start_worker(journey)]
    load = Load(app)
    for _ in range(times):
        until(partial(load.has_grown_to, len(load.accepted) + 100), "100 more are accepted")
        valkey.kill()
        time.sleep(random.uniform(0, away))  # how long it is away is what is tried here
        valkey.start()
        back_at = time.monotonic()
        accepted, ended = len(load.accepted), len(journey.ended())
        until(partial(load.has_grown_to, accepted + 10), "tasks are accepted again", timeout=BACK_WITHIN)
        until(lambda ended=ended: len(journey.ended()) > ended, "tasks run again", timeout=BACK_WITHIN)  # type: ignore[misc]  # bound now
        assert time.monotonic() - back_at < BACK_WITHIN
    load.stop()
    all_has_run(journey, load)
    assert set(load.others) <= {503}, load.others
    assert [process.poll() for process in (app.process, *workers)] == [None] * 3, "no process has ended"


def test_work_resumes_when_the_server_was_killed_and_nothing_is_lost(journey: Journey, valkey: servers.Server) -> None:
    server_is_killed(journey, valkey, times=2, away=1.0)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_work_resumes_ten_times_and_nothing_is_lost(journey: Journey, valkey: servers.Server) -> None:
    server_is_killed(journey, valkey, times=10, away=8.0)
