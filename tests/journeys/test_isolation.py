"""Isolated tasks under the programs that people start: whatever happens to the worker, its processes go with it."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from afterwards import State
from tests.journeys.harness import Journey, until

APP = "isolated_app:app"
SCRIPT = """
import asyncio, os
from afterwards import Afterwards, Retry

afterwards = Afterwards(retry=Retry.never)

@afterwards.task(isolate=True)
def work() -> None:
    print("works in", __name__, os.getpid() != {pid})

async def main():
    async with afterwards.opened(worker=True):
        task = await afterwards.wait((await afterwards.add(work)).id, timeout=20)
        print(task.state, task.error or "")

"""
GUARDED = "if __name__ == '__main__':\n    asyncio.run(main())\n"
UNGUARDED = "asyncio.run(main())\n"


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def first_pid(journey: Journey) -> int:
    until(lambda: journey.marks("begin"), "it runs")
    return int(journey.marks("begin")[0][1])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_when_the_worker_is_killed_its_processes_end_and_the_task_runs_again(journey: Journey, loop: str) -> None:
    server = journey.serve("--loop", loop, app=APP)
    with server.client() as client:
        client.post("/1")
    pid = first_pid(journey)
    os.kill(server.process.pid, signal.SIGKILL)
    until(lambda: not lives(pid), "its process has ended", timeout=2)
    journey.serve("--loop", loop, app=APP)
    until(lambda: journey.marks("end") and journey.unfinished() == 0, "it runs again")
    [task] = journey.tasks()
    assert (task.state, task.attempt, task.crashes) == (State.DONE, 1, 1)
    assert "number 1 is printed" in journey.output()


def test_a_worker_that_is_stopped_gives_it_back(journey: Journey) -> None:
    worker = journey.start([sys.executable, "-m", "afterwards", "worker", "isolated_app:afterwards"])
    server = journey.serve(app=APP)
    with server.client() as client:
        client.post("/1")
    pid = first_pid(journey)
    for process in (server.process, worker):
        process.terminate()
    for process in (server.process, worker):
        process.wait(20)
    assert not lives(pid)
    [task] = journey.tasks()
    assert (task.state, task.crashes) in [(State.WAITING, 0), (State.RUNNING, 0)]


def test_one_that_its_own_transaction_settled_is_done_although_it_is_killed(journey: Journey) -> None:
    server = journey.serve(app=APP)
    with server.client() as client:
        client.post("/-1")
    pid = first_pid(journey)
    until(lambda: not lives(pid), "its timeout has passed")
    until(lambda: journey.unfinished() == 0, "it is settled")
    [task] = journey.tasks()
    assert (task.state, task.attempt, task.error) == (State.DONE, 1, None)
    with sqlite3.connect(journey.folder / "journey.db") as connection:
        assert connection.execute("SELECT number FROM effects").fetchall() == [(-1,)]
    server.terminate()


@pytest.mark.parametrize(
    ("end", "said"),
    [(GUARDED, "works in script True"), (UNGUARDED, "failed importing script failed in a new process: RuntimeError")],
)
def test_a_function_of_a_script_needs_a_guard(journey: Journey, end: str, said: str) -> None:
    (journey.folder / "script.py").write_text(SCRIPT.format(pid=0) + end)
    process = journey.start([sys.executable, "script.py"], cwd=journey.folder)
    process.wait(40)
    assert said in journey.output()
