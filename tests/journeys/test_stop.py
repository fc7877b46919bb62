"""A clean stop (SIGTERM), and a process that stands still (SIGSTOP)."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from afterwards import State
from tests.journeys.harness import Journey, until


def running(journey: Journey) -> int:
    return len(journey.marks("begin")) - len(journey.marks("end"))


def test_a_clean_stop_lets_what_fits_into_grace_finish(journey: Journey) -> None:
    server = journey.serve()
    with server.client() as client:
        for number in range(50):
            client.post(f"/{'coroutine' if number % 2 else 'thread'}/{number}", params={"seconds": 1.0})
    until(lambda: len(journey.marks("begin")) == 50, "all run")
    server.terminate()
    assert journey.ended() == set(range(50))
    assert len(journey.marks("begin")) == 50
    assert all(task.state is State.DONE and task.attempt == 1 for task in journey.tasks())


def test_a_clean_stop_gives_back_what_does_not_fit_without_spending_an_attempt(journey: Journey) -> None:
    journey.settings["JOURNEY_GRACE"] = "0.3"
    server = journey.serve()
    with server.client() as client:
        for number in range(50):
            client.post(f"/coroutine/{number}", params={"seconds": 0.1 if number < 10 else 5})
    until(lambda: len(journey.ended()) == 10 and running(journey) == 40, "ten are done, forty run")
    server.terminate()
    tasks = journey.tasks()
    assert Counter(task.state for task in tasks) == {State.DONE: 10, State.WAITING: 40}
    assert {task.attempt for task in tasks if task.state is State.WAITING} == {0}
    assert {task.crashes for task in tasks} == {0}

    again = journey.serve()
    until(lambda: journey.unfinished() == 0, "they run again", timeout=30)
    again.terminate()
    begins = Counter(words[0] for words in journey.marks("begin"))
    assert journey.ended() == set(range(50))
    assert {int(number) for number, times in begins.items() if times == 2} == set(range(10, 50))


def test_a_thread_that_outlives_grace_returns_without_attempt_or_crash_when_its_process_is_gone(
    journey: Journey,
) -> None:
    journey.settings["JOURNEY_GRACE"] = "0.2"
    server = journey.serve()
    with server.client() as client:
        client.post("/thread/1", params={"seconds": 60})
    until(lambda: running(journey) == 1, "the thread runs")
    server.terminate()
    journey.settings["JOURNEY_GRACE"] = "10"
    other = journey.serve()
    until(lambda: len(journey.marks("begin")) == 2, "it runs again, in another process", timeout=5)
    [task] = journey.tasks(state=State.RUNNING)
    assert (task.attempt, task.crashes, task.run) == (1, 0, 2)
    other.kill()


def test_what_a_stopped_and_continued_worker_finishes_is_dropped(journey: Journey) -> None:
    journey.settings["JOURNEY_LEASE"] = "1.5"
    sleeper = journey.serve()
    with sleeper.client() as client:
        client.post("/coroutine/1", params={"seconds": 2.0})
        client.post("/thread/2", params={"seconds": 2.0})
    until(lambda: running(journey) == 2, "both run")
    os.killpg(sleeper.process.pid, signal.SIGSTOP)
    other = journey.serve()
    until(lambda: len(journey.marks("begin")) == 4, "both run again elsewhere", timeout=10)
    until(lambda: journey.unfinished() == 0, "the second runs are settled", timeout=10)
    settled = {task.id: (task.state, task.run, task.attempt, task.ended) for task in journey.tasks()}
    os.killpg(sleeper.process.pid, signal.SIGCONT)
    until(lambda: len(journey.marks("end")) >= 3, "the thread of the first run comes to its end", timeout=10)
    with sleeper.client() as client:
        client.post("/coroutine/3")
    until(lambda: journey.ended() >= {3}, "the continued worker has signed on anew and works")
    until(lambda: journey.unfinished() == 0, "all is settled")
    assert {
        task.id: (task.state, task.run, task.attempt, task.ended) for task in journey.tasks() if task.id in settled
    } == settled
    assert {run for _, run, _, _ in settled.values()} == {2}
    assert "believed dead" in journey.output()
    other.terminate()


@pytest.mark.parametrize("seconds", [4.0])
def test_a_task_that_blocks_the_event_loop_does_not_cost_the_worker_its_lease(journey: Journey, seconds: float) -> None:
    journey.settings["JOURNEY_LEASE"] = "1"
    server, other = journey.serve(), journey.serve()
    with server.client() as client:
        client.post("/block/1", params={"seconds": seconds})
    until(lambda: journey.ended() == {1}, "it has run", timeout=15)
    until(lambda: journey.unfinished() == 0, "it is settled")
    [task] = journey.tasks()
    assert (task.state, task.run, len(journey.marks("begin"))) == (State.DONE, 1, 1)
    other.terminate()
