"""Worker processes on each store: eight run each task once, a dead one's tasks run again, a lost server is told."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

import pytest

from tests import servers
from tests.journeys.harness import Journey, until
from tests.journeys.places import on
from tests.journeys.supervised import NOT_WELL, add, all_tasks, let_go, ran_once_each, start_crew

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


def eight_run_each_once(journey: Journey, count: int, *, timeout: float) -> None:
    crew = start_crew(journey, "--processes", "8", "--concurrency", "50")
    crew.until_ready(timeout=90)  # eight interpreters start at once
    add(journey, *(("work", number, 0.002) for number in range(count)))
    until(lambda: journey.unfinished() == 0, "all are done", timeout=timeout)
    by_process = Counter(words[1] for words in journey.marks("begin"))
    assert crew.terminate() == 0
    ran_once_each(journey, count)
    assert len(by_process) > 1, by_process
    assert "locked" not in journey.output()


@pytest.mark.timeout(180)
def test_eight_processes_run_each_of_two_thousand_tasks_once(journey: Journey) -> None:
    eight_run_each_once(journey, 2_000, timeout=60)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_eight_processes_run_each_of_a_hundred_thousand_tasks_once(on_store: Journey) -> None:
    eight_run_each_once(on_store, 100_000, timeout=1500)


@on("postgres")
def test_a_killed_childs_tasks_run_again_within_two_seconds(on_store: Journey) -> None:
    journey = on_store
    crew = start_crew(journey, "--processes", "2")
    crew.until_ready()
    add(journey, *(("hold", number, 0.0) for number in range(20)))
    until(lambda: len(journey.marks("begin")) == 20, "all run")
    victim = Counter(words[1] for words in journey.marks("begin")).most_common(1)[0][0]
    its_own = {words[0] for words in journey.marks("begin") if words[1] == victim}
    os.kill(int(victim), signal.SIGKILL)
    until(lambda: len(journey.marks("begin")) == 20 + len(its_own), "they run again", timeout=2.5)
    assert {words[0] for words in journey.marks("begin")[20:]} == its_own
    let_go(journey)
    until(lambda: journey.unfinished() == 0, "all is settled")
    assert journey.ended() == set(range(20))
    assert sorted(task.crashes for task in all_tasks(journey)) == [0] * (20 - len(its_own)) + [1] * len(its_own)
    assert crew.terminate() == 0


SERVERS = {
    "postgres": lambda: servers.postgres(fsync="on"),
    "valkey": lambda: servers.valkey("--appendonly", "yes", "--appendfsync", "always"),
}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("postgres", ("--processes", "2")),
        ("valkey", ()),
        pytest.param("postgres", (), marks=pytest.mark.soak),
        pytest.param("valkey", ("--processes", "2"), marks=pytest.mark.soak),
    ],
)
def test_a_server_that_is_lost_is_told_and_no_process_ends(journey: Journey, kind: str, words: tuple[str, ...]) -> None:
    with SERVERS[kind]() as server:
        journey.store = server.url
        crew = start_crew(journey, *words)
        pids = crew.until_ready()
        add(journey, ("hold", 0, 0.0))
        until(lambda: len(journey.marks("begin")) == 1, "it runs")
        server.kill()
        until(lambda: crew.health()[0] == NOT_WELL, "it is missed")
        assert "the store does not answer" in crew.health()[1]["reason"]
        let_go(journey)
        server.start()
        assert crew.until_ready("it is back") == pids
        until(lambda: journey.unfinished() == 0, "its outcome is settled")
        add(journey, ("work", 1, 0.0))
        until(lambda: journey.ended() == {0, 1}, "work goes on")
        assert crew.terminate() == 0
    assert "Traceback" not in journey.output()
