"""An app and separate workers on PostgreSQL: workers killed and stopped, the server lost and back, under load."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from afterwards import State
from tests import databases, servers
from tests.journeys.harness import Journey, until
from tests.journeys.load import Load, all_has_run, start_worker

BACK_WITHIN = 5.0
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'afterwards'"


@pytest.fixture
def on_postgres(journey: Journey, request: pytest.FixtureRequest) -> Iterator[Journey]:
    """A journey on a database of the tests' server; the app runs no tasks."""
    journey.store = databases.new(request)
    journey.settings["AFTERWARDS_WORKER"] = "0"
    yield journey
    journey.end()


@pytest.fixture
def postgres(journey: Journey) -> Iterator[servers.Server]:
    """A server of the test's own, which it may kill."""
    with servers.postgres() as server:
        journey.store = server.url
        journey.settings["AFTERWARDS_WORKER"] = "0"
        yield server
        journey.end()


def test_no_accepted_task_is_lost_when_workers_are_killed_under_load(on_postgres: Journey) -> None:
    app = on_postgres.serve()
    load = Load(app)
    workers = [start_worker(on_postgres), start_worker(on_postgres)]
    for victim in range(2):
        until(partial(load.has_grown_to, len(load.accepted) + 150), "150 more are accepted")
        workers[victim].kill()
        workers[victim].wait(10)
        workers.append(start_worker(on_postgres))
    load.stop()
    all_has_run(on_postgres, load)
    assert load.others == {}
    pids = {str(worker.pid) for worker in workers}
    assert {words[1] for words in on_postgres.marks("begin")} <= pids, "the app itself runs nothing"
    begins = Counter(words[0] for words in on_postgres.marks("begin"))
    assert sum(times > 1 for times in begins.values()) <= 200, "only what ran in a killed process runs twice"


def test_no_accepted_task_is_lost_when_the_app_that_runs_them_is_killed(on_postgres: Journey) -> None:
    on_postgres.settings["AFTERWARDS_WORKER"] = "1"
    accepted: list[int] = []
    for _ in range(2):
        app = on_postgres.serve()
        load = Load(app)
        until(partial(load.has_grown_to, 150), "150 are accepted")
        app.kill()
        load.stop()
        accepted += load.accepted
    on_postgres.serve()
    until(lambda: set(accepted) <= on_postgres.ended(), "everything that was accepted has run", timeout=60)
    until(lambda: on_postgres.unfinished() == 0, "nothing is left over", timeout=60)


def test_the_tasks_of_a_worker_on_another_host_run_elsewhere_when_its_lease_is_over(on_postgres: Journey) -> None:
    on_postgres.settings["JOURNEY_LEASE"] = "3"
    app, workers = on_postgres.serve(), list[subprocess.Popen[bytes]]()
    for host in ("one", "another"):  # each has a folder of its own for proofs of life, so that the lease alone counts
        (on_postgres.folder / host).mkdir()
        on_postgres.settings["TMPDIR"] = str(on_postgres.folder / host)
        workers.append(start_worker(on_postgres))
    with app.client() as client:
        client.post("/coroutine/1", params={"seconds": 6})
    until(lambda: len(on_postgres.marks("begin")) == 1, "it runs")
    [victim] = [worker for worker in workers if str(worker.pid) == on_postgres.marks("begin")[0][1]]
    killed_at = time.monotonic()
    victim.kill()
    until(lambda: len(on_postgres.marks("begin")) == 2, "it runs again", timeout=3.0 + 2.0)
    assert time.monotonic() - killed_at > 1.0, "nothing but the lease told"
    until(lambda: on_postgres.unfinished() == 0, "it is settled")


def test_a_worker_that_was_stopped_and_continued_settles_nothing(on_postgres: Journey) -> None:
    on_postgres.settings["JOURNEY_LEASE"] = "2"
    app = on_postgres.serve()
    stopped = start_worker(on_postgres)
    with app.client() as client:
        client.post("/coroutine/1", params={"seconds": 1.5})
    until(lambda: len(on_postgres.marks("begin")) == 1, "it runs")
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        other = start_worker(on_postgres)
        until(
            lambda: len(on_postgres.marks("begin")) == 2, "its lease is over, and the task runs elsewhere", timeout=15
        )
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    until(lambda: on_postgres.unfinished() == 0, "it is settled", timeout=10)
    [task] = on_postgres.tasks()
    assert (task.state, task.run, task.crashes) == (State.DONE, 2, 1)
    ends = [words for words in on_postgres.marks("end") if words[2] == "2"]
    assert ends == [["1", str(other.pid), "2"]]
    until(lambda: len(on_postgres.census().workers) == 2, "the one that was stopped signs on anew", timeout=10)
    assert stopped.poll() is None


def server_is_lost(journey: Journey, postgres: servers.Server, *, times: int, away: float) -> None:
    """Kill the server, or restart it, or terminate all its connections, again and again under load."""
    app = journey.serve()
    load = Load(app)
    workers = [start_worker(journey), start_worker(journey)]
    for time_number in range(times):
        until(partial(load.has_grown_to, len(load.accepted) + 100), "100 more are accepted")
        for _ in range(3):
            databases.run(postgres.url, TERMINATE)
        postgres.kill() if time_number % 2 == 0 else postgres.stop()
        time.sleep(random.uniform(0, away))  # how long it is away is what is tried here
        postgres.start()
        back_at = time.monotonic()
        accepted, ended = len(load.accepted), len(journey.ended())
        until(partial(load.has_grown_to, accepted + 10), "tasks are accepted again", timeout=BACK_WITHIN)
        until(lambda ended=ended: len(journey.ended()) > ended, "tasks run again", timeout=BACK_WITHIN)  # type: ignore[misc]  # bound now
        assert time.monotonic() - back_at < BACK_WITHIN
    load.stop()
    all_has_run(journey, load)
    assert set(load.others) <= {503}, load.others
    assert [process.poll() for process in (app.process, *workers)] == [None] * 3, "no process has ended"


@pytest.mark.timeout(180)
def test_work_resumes_when_the_server_was_lost_and_no_task_is(journey: Journey, postgres: servers.Server) -> None:
    server_is_lost(journey, postgres, times=2, away=1.0)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_work_resumes_ten_times_and_no_task_is_lost(journey: Journey, postgres: servers.Server) -> None:
    server_is_lost(journey, postgres, times=10, away=8.0)
