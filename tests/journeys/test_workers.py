"""Several processes on one file: `uvicorn --workers 4`, and a separate `afterwards worker`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from functools import partial

import httpx2
import pytest

from afterwards import State
from tests.journeys.harness import Journey, Server, until

CLIENTS = 8


def post(server: Server, numbers: range, accepted: list[int]) -> None:
    """Post each number; a connection that breaks with its process is made anew, and that request is not counted."""
    with server.client() as client:
        for number in numbers:
            try:
                response = client.post(f"/coroutine/{number}")
            except httpx2.HTTPError:
                continue
            assert response.status_code == 200, response.text
            accepted.append(number)


def load(server: Server, count: int, accepted: list[int]) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=post, args=(server, range(start, count, CLIENTS), accepted)) for start in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    return threads


def signed_on(journey: Journey) -> set[int]:
    """The processes that have a worker."""
    return {worker.pid for worker in journey.census().workers}


def has_workers(journey: Journey, count: int) -> bool:
    return len(signed_on(journey)) == count


def four_processes_under_load(journey: Journey, count: int) -> None:
    """Kill one of four workers in the middle of the load."""
    server = journey.serve("--workers", "4")
    until(partial(has_workers, journey, 4), "four workers have signed on")
    accepted: list[int] = []
    threads = load(server, count, accepted)
    until(lambda: len(accepted) > count // 3, "a third is accepted", timeout=300)
    os.kill(min(signed_on(journey)), signal.SIGKILL)
    for thread in threads:
        thread.join()
    until(lambda: set(accepted) <= journey.ended(), "all that was accepted has run", timeout=60)
    until(lambda: journey.unfinished() == 0, "all is settled", timeout=60)
    server.terminate()
    assert len(accepted) > count * 0.95
    assert Counter(task.state for task in journey.tasks()) == {State.DONE: len(journey.tasks())}
    assert "locked" not in journey.output()
    begins = Counter(words[0] for words in journey.marks("begin"))
    assert sum(times > 1 for times in begins.values()) <= 100, "only what ran in the killed process runs twice"


def test_four_uvicorn_workers_share_a_file_and_survive_the_death_of_one(journey: Journey) -> None:
    four_processes_under_load(journey, 1_500)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_four_uvicorn_workers_run_a_hundred_thousand_tasks_without_a_locked_database(journey: Journey) -> None:
    four_processes_under_load(journey, 100_000)


def test_a_killed_workers_tasks_run_elsewhere_within_two_seconds(journey: Journey) -> None:
    server = journey.serve("--workers", "4")
    until(partial(has_workers, journey, 4), "four workers have signed on")
    with server.client() as client:
        for number in range(20):
            client.post(f"/coroutine/{number}", params={"seconds": 3})
    until(lambda: len(journey.marks("begin")) == 20, "all run")
    victim = Counter(words[1] for words in journey.marks("begin")).most_common(1)[0][0]
    its_own = {words[0] for words in journey.marks("begin") if words[1] == victim}
    os.kill(int(victim), signal.SIGKILL)
    until(lambda: len(journey.marks("begin")) == 20 + len(its_own), "they run elsewhere", timeout=2.5)
    assert {words[0] for words in journey.marks("begin")[20:]} == its_own
    until(lambda: journey.unfinished() == 0, "all is settled")
    server.terminate()


def test_a_separate_worker_runs_what_an_app_without_one_stores(journey: Journey) -> None:
    journey.settings["AFTERWARDS_WORKER"] = "0"
    server = journey.serve()
    with server.client() as client:
        for number in range(10):
            client.post(f"/coroutine/{number}")
    assert journey.unfinished() == len(journey.tasks(State.WAITING)) == 10
    worker = journey.start([sys.executable, "-m", "afterwards", "worker", "the_app:afterwards"])
    until(lambda: journey.unfinished() == 0, "the worker has run them")
    with server.client() as client:
        client.post("/coroutine/10")
    until(lambda: journey.ended() == set(range(11)), "it is woken by another process's add")
    assert {words[1] for words in journey.marks("begin")} == {str(worker.pid)}
    worker.terminate()
    assert worker.wait(20) == 0
    assert not journey.census().workers
    server.terminate()
