"""kill -9 at random moments: nothing that was accepted is lost, and only what ran at the kill runs twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from functools import partial

import httpx2
import pytest

from afterwards import State
from tests.journeys.harness import Journey, Server, until


def post_until_killed(server: Server, numbers: range, accepted: list[int]) -> threading.Thread:
    """Post in a thread of its own, noting what was answered with 200, until the server is gone."""

    def post() -> None:
        with server.client() as client:
            for number in numbers:
                try:
                    response = client.post(f"/coroutine/{number}", params={"seconds": random.uniform(0, 0.03)})
                except httpx2.HTTPError:
                    return
                if response.status_code == 200:
                    accepted.append(number)

    thread = threading.Thread(target=post)
    thread.start()
    return thread


def kill_at_random(journey: Journey, *, rounds: int, requests: int, rnd: random.Random) -> None:
    """Kill the server `rounds` times, each after about `requests` accepted requests, and count what is left."""
    accepted: list[int] = []
    for round_number in range(rounds):
        server = journey.serve()
        enough, first = len(accepted) + requests, round_number * 10_000
        posting = [post_until_killed(server, range(first + i, first + 10_000, 4), accepted) for i in range(4)]
        until(partial(has_reached, accepted, enough), f"{requests} requests are accepted")
        time.sleep(rnd.uniform(0, 0.05))  # a random moment is what is tested here, not waited for
        server.kill()
        for thread in posting:
            thread.join()
    last = journey.serve()
    until(lambda: set(accepted) <= journey.ended(), "everything that was accepted has run", timeout=60)
    until(lambda: journey.unfinished() == 0, "nothing is left over", timeout=60)
    last.terminate()
    only_interrupted_ran_twice(journey)


def has_reached(accepted: list[int], enough: int) -> bool:
    return len(accepted) >= enough


def only_interrupted_ran_twice(journey: Journey) -> None:
    """A second beginning means that the first had not come to its end, or died between its end and its settling."""
    ends = Counter(words[0] for words in journey.marks("end"))
    begins = Counter(words[0] for words in journey.marks("begin"))
    pids = {words[1] for words in journey.marks("begin")}
    for number, times in begins.items():
        assert times <= len(pids), f"task {number} began {times} times in {len(pids)} processes"
    twice = {number for number, times in ends.items() if times > 1}
    runs_of_twice = [words for words in journey.marks("end") if words[0] in twice]
    for number in twice:
        assert len({words[1] for words in runs_of_twice if words[0] == number}) == ends[number], "twice in one process"


def test_no_accepted_task_is_lost_when_the_process_is_killed(journey: Journey) -> None:
    kill_at_random(journey, rounds=3, requests=200, rnd=random.Random(1))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_accepted_task_is_lost_in_twenty_kills(journey: Journey) -> None:
    kill_at_random(journey, rounds=20, requests=200, rnd=random.Random(2))


def test_a_killed_servers_running_task_runs_again_within_two_seconds_in_another_process(journey: Journey) -> None:
    victim, survivor = journey.serve(), journey.serve()
    with victim.client() as client:
        client.post("/coroutine/1", params={"seconds": 1.0})
    until(lambda: len(journey.marks("begin")) == 1, "the task runs")
    killed_at = time.monotonic()
    victim.kill()
    until(lambda: len(journey.marks("begin")) == 2, "it runs again")
    waited = time.monotonic() - killed_at
    assert waited < 2.5, f"the lease is 15 s, the free lock tells at once; it took {waited:.1f} s"
    assert journey.marks("begin")[1][1] == str(survivor.process.pid)
    assert [words[2] for words in journey.marks("begin")] == ["1", "2"], "each run has a number of its own"
    until(lambda: journey.unfinished() == 0, "it is settled")


def test_a_task_that_kills_its_process_fails_as_poison_and_spares_the_others(journey: Journey) -> None:
    server = journey.serve()
    with server.client() as client:
        client.post("/segfault", params={"beside": 99})
    server.process.wait(30)
    while journey.unfinished():
        server = journey.serve(may_die=True)  # the culprit may be claimed before the port answers
        until(partial(is_over, journey, server), "it dies or is done", timeout=60)
    by_name = Counter((task.name, task.state) for task in journey.tasks())
    assert by_name == {("the_app:segfault", State.FAILED): 1, ("the_app:work", State.DONE): 99}
    [culprit] = journey.tasks(state=State.FAILED)
    assert culprit.crashes == 3
    assert culprit.error is not None
    assert culprit.error.kind == "Crashed"


def is_over(journey: Journey, server: Server) -> bool:
    return server.process.poll() is not None or not journey.unfinished()
