"""`afterwards worker --processes N`, with real processes and real signals."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from afterwards import State
from tests.journeys.harness import Journey, until
from tests.journeys.supervised import NOT_WELL, WELL, Crew, add, is_alive, let_go, locked, ran_once_each, start_crew

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


def running(journey: Journey) -> int:
    return len(journey.marks("begin")) - len(journey.marks("end"))


def test_a_killed_child_is_replaced_and_its_tasks_run_again_within_two_seconds(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2")
    pids = crew.until_ready()
    add(journey, *(("work", number, 3.0) for number in range(20)))
    until(lambda: len(journey.marks("begin")) == 20, "all run")
    victim = Counter(words[1] for words in journey.marks("begin")).most_common(1)[0][0]
    its_own = {words[0] for words in journey.marks("begin") if words[1] == victim}
    os.kill(int(victim), signal.SIGKILL)
    until(lambda: len(journey.marks("begin")) == 20 + len(its_own), "they run again", timeout=2.5)
    assert {words[0] for words in journey.marks("begin")[20:]} == its_own
    now = crew.until_ready("another has taken its place")
    assert int(victim) not in now
    assert len(set(now) & set(pids)) == 1, "the other one has gone on"
    until(lambda: journey.unfinished() == 0, "all is settled")
    assert journey.ended() == set(range(20))
    assert crew.terminate() == 0
    assert "was ended by SIGKILL; another starts now" in journey.output()


def test_the_only_child_is_replaced_too_and_its_tasks_run_again(journey: Journey) -> None:
    crew = start_crew(journey, "--max-tasks", "1000")
    [pid] = crew.until_ready()
    add(journey, ("work", 0, 1.0))
    until(lambda: running(journey) == 1, "it runs")
    os.kill(pid, signal.SIGKILL)
    until(
        lambda: len(journey.marks("begin")) == 2,
        "it runs again in the next child, before its lease is over",
        timeout=14,
    )
    assert journey.marks("begin")[1][1] != str(pid)
    until(lambda: journey.unfinished() == 0, "it is settled")
    assert crew.terminate() == 0


def test_sigterm_lets_what_runs_finish_and_nothing_runs_twice(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2", "--concurrency", "20")
    crew.until_ready()
    add(journey, *(("work", number, 2.0) for number in range(60)))
    until(lambda: running(journey) == 40, "forty run, twenty wait")
    assert crew.terminate() == 0
    tasks = journey.tasks()
    begun = {int(words[0]) for words in journey.marks("begin")}
    assert journey.ended() == begun
    assert len(journey.marks("begin")) == len(begun), "none began twice"
    assert Counter(task.state for task in tasks) == {State.DONE: len(begun), State.WAITING: 60 - len(begun)}
    assert {task.attempt for task in tasks if task.state is State.WAITING} == {0}
    assert not journey.census().workers

    again = start_crew(journey, "--processes", "2")
    until(lambda: journey.unfinished() == 0, "the rest runs in the next ones")
    assert again.terminate() == 0
    ran_once_each(journey, 60)


def test_a_second_sigterm_ends_all_at_once_and_what_ran_comes_back(journey: Journey) -> None:
    journey.settings["JOURNEY_GRACE"] = "3600"
    crew = start_crew(journey, "--processes", "2")
    pids = crew.until_ready()
    add(journey, *(("work", number, 3600.0 if number else 0.0) for number in range(5)))
    until(lambda: running(journey) == 4 and journey.ended() == {0}, "one is done, four run")

    def ended_by_signals() -> bool:
        crew.process.terminate()
        return crew.process.poll() is not None

    until(ended_by_signals, "it ends, long before its grace is over")
    assert crew.process.returncode == 128 + signal.SIGTERM
    assert not any(map(is_alive, pids))
    start_crew(journey, "--processes", "2")
    until(lambda: len(journey.marks("begin")) == 9, "the four run again, before any lease is over", timeout=14)
    assert Counter(words[0] for words in journey.marks("begin")) == {"0": 1, "1": 2, "2": 2, "3": 2, "4": 2}


def test_two_signals_a_moment_apart_are_one_wish(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2")
    crew.until_ready()
    add(journey, ("work", 0, 1.0))
    until(lambda: running(journey) == 1, "it runs")
    os.killpg(crew.process.pid, signal.SIGINT)  # as Ctrl-C does: to the children as well
    crew.process.terminate()
    assert crew.process.wait(20) == 0
    ran_once_each(journey, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_while_the_children_still_begin_ends_them_well(
    journey: Journey, number: signal.Signals
) -> None:
    journey.settings["JOURNEY_GATE"] = str(journey.folder / "gate")  # there is none: the import takes for ever
    crew = start_crew(journey, "--processes", "2")
    until(lambda: len(crew.pids()) == 2, "both have been started")
    os.killpg(crew.process.pid, number)
    assert crew.process.wait(20) == 0
    assert "ERROR" not in journey.output()
    assert "Traceback" not in journey.output()


def test_a_child_that_is_told_to_stop_by_itself_finishes_and_is_replaced(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2")
    pids = crew.until_ready()
    add(journey, *(("work", number, 1.0) for number in range(10)))
    until(lambda: running(journey) == 10, "all run")
    os.kill(pids[0], signal.SIGTERM)
    until(lambda: crew.is_ready() and pids[0] not in crew.pids(), "another has taken its place")
    until(lambda: journey.unfinished() == 0, "all are done")
    ran_once_each(journey, 10)
    assert crew.terminate() == 0


def test_children_are_replaced_after_max_tasks_and_nothing_is_lost_or_tried_twice(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2", "--max-tasks", "50", "--concurrency", "10")
    crew.until_ready()
    add(journey, *(("work", number, 0.1) for number in range(400)))
    until(lambda: journey.unfinished() == 0, "all are done", timeout=50)
    by_process = Counter(words[1] for words in journey.marks("begin"))
    assert len(by_process) >= 4, "of two places"
    assert max(by_process.values()) < 200, "it goes soon after its fiftieth"
    assert crew.terminate() == 0
    ran_once_each(journey, 400)
    assert "is replaced: it has run" in journey.output()


def test_a_long_task_is_not_cut_short_when_its_child_is_replaced(journey: Journey) -> None:
    journey.settings["JOURNEY_GRACE"] = "0.1"
    crew = start_crew(journey, "--max-tasks", "5")
    [pid] = crew.until_ready()
    add(journey, ("hold", 0, 0.0))
    until(lambda: running(journey) == 1, "the long one runs")
    add(journey, *(("work", number, 0.0) for number in range(1, 6)))
    until(lambda: len(journey.ended()) == 5, "the short ones are done")
    until(lambda: crew.is_ready() and crew.pids() != [pid], "another has taken the place")
    assert is_alive(pid)
    add(journey, ("work", 6, 0.0))
    until(lambda: 6 in journey.ended(), "the other works")
    assert running(journey) == 1
    let_go(journey)
    until(lambda: not is_alive(pid), "the long one is done, and its process has gone")
    ran_once_each(journey, 7)
    assert crew.terminate() == 0


def test_a_child_that_takes_too_much_memory_is_replaced(journey: Journey) -> None:
    crew = start_crew(journey, "--max-memory", "200MB")
    [pid] = crew.until_ready()
    add(journey, *(("leak", number, 1) for number in range(3)))
    until(lambda: len(journey.ended()) == 3, "three small leaks")
    add(journey, ("leak", 3, 250))
    until(lambda: crew.is_ready() and crew.pids() != [pid], "another has taken the place")
    until(lambda: not is_alive(pid), "it has gone")
    add(journey, ("leak", 4, 1))
    until(lambda: len(journey.ended()) == 5, "the next works")
    ran_once_each(journey, 5)
    assert "MiB of memory" in journey.output()
    assert crew.terminate() == 0


def test_children_that_cannot_import_end_the_supervisor_which_shows_the_error_once(journey: Journey) -> None:
    (journey.folder / "broken.py").write_text("import afterwards\nimport no_such_thing\n")
    crew = start_crew(journey, "--processes", "4", place="broken:afterwards", cwd=journey.folder)
    assert crew.process.wait(30) == 1
    output = journey.output()
    assert output.count("broken cannot be imported: it needs no_such_thing") == 1, output
    assert "Traceback" not in output
    assert "no worker could start; giving up" in output


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('the settings are wrong')", "RuntimeError: the settings are wrong"),
        pytest.param("afterwards = 1", "broken:afterwards is a int, not an Afterwards", marks=pytest.mark.soak),
        pytest.param("import os; os._exit(3)", "ended with code 3", marks=pytest.mark.soak),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
    ],
)
def test_whatever_keeps_children_from_starting_is_told_and_ends_it(journey: Journey, code: str, told: str) -> None:
    (journey.folder / "broken.py").write_text(code)
    crew = start_crew(journey, "--processes", "2", place="broken:afterwards", cwd=journey.folder)
    assert crew.process.wait(30) == (3 if "_exit" in code else 1)
    assert told in journey.output()


def test_when_the_supervisor_is_killed_its_children_finish_and_go(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "3")
    pids = crew.until_ready()
    add(journey, *(("work", number, 1.0) for number in range(10)))
    until(lambda: running(journey) == 10, "all run")
    crew.kill()
    until(lambda: not any(map(is_alive, pids)), "no child is left")
    ran_once_each(journey, 10)
    assert not journey.census().workers


@pytest.mark.soak
def test_a_child_whose_loop_is_blocked_does_not_outlive_its_supervisor_for_ever(journey: Journey) -> None:
    journey.settings["JOURNEY_GRACE"] = "0.1"
    crew = start_crew(journey, "--processes", "2")
    pids = crew.until_ready()
    add(journey, ("block", 0, 3600.0))
    until(lambda: running(journey) == 1, "it runs")
    crew.kill()
    until(lambda: not any(map(is_alive, pids)), "no child is left", timeout=25)


@pytest.mark.soak
def test_a_child_whose_loop_is_blocked_is_ended_by_a_stop_and_the_exit_code_tells(journey: Journey) -> None:
    journey.settings["JOURNEY_GRACE"] = "0.1"
    crew = start_crew(journey, "--processes", "2")
    crew.until_ready()
    add(journey, ("block", 0, 3600.0))
    until(lambda: running(journey) == 1, "it runs")
    assert crew.terminate(timeout=25) == 1
    assert "ended with code 1" in journey.output()


def test_sighup_replaces_all_children_and_cuts_nothing_short(journey: Journey) -> None:
    journey.settings["JOURNEY_GRACE"] = "0.1"
    crew = start_crew(journey, "--processes", "2")
    pids = crew.until_ready()
    add(journey, *(("hold", number, 0.0) for number in range(10)))
    until(lambda: running(journey) == 10, "all run")
    crew.process.send_signal(signal.SIGHUP)
    until(lambda: crew.is_ready() and not set(crew.pids()) & set(pids), "others have taken their places")
    assert running(journey) == 10
    let_go(journey)
    until(lambda: not any(map(is_alive, pids)), "the old ones have finished and gone")
    ran_once_each(journey, 10)
    assert crew.terminate() == 0


# Health


def test_health_goes_from_not_ready_to_ready_and_back_with_the_children(journey: Journey) -> None:
    gate = journey.folder / "gate"
    journey.settings["JOURNEY_GATE"] = str(gate)
    crew = start_crew(journey, "--processes", "2")
    until(lambda: crew.health()[0] == NOT_WELL, "health is answered while the app is still being imported")
    assert crew.health()[1]["reason"] in ("process 1: it is not running", "process 1: it has not started yet")
    gate.touch()
    pids = crew.until_ready()
    gate.unlink()
    os.kill(pids[1], signal.SIGKILL)
    until(lambda: crew.health()[0] == NOT_WELL, "one is missing")
    assert crew.health()[1]["reason"].startswith("process 2: ")
    gate.touch()
    crew.until_ready("it is back")
    assert crew.terminate() == 0


@pytest.mark.parametrize("words", [("--processes", "2"), ()], ids=["supervised", "one process"])
def test_a_task_that_blocks_the_loop_is_no_illness(journey: Journey, words: tuple[str, ...]) -> None:
    crew = start_crew(journey, *words)
    crew.until_ready()
    add(journey, ("block", 0, 3.0))
    until(lambda: running(journey) == 1, "it blocks")
    while running(journey):
        status, content = crew.health()
        assert status == WELL, content
        time.sleep(0.1)
    assert crew.terminate() == 0


@pytest.mark.parametrize(
    "words", [("--processes", "2"), pytest.param((), marks=pytest.mark.soak)], ids=["supervised", "one process"]
)
def test_a_store_that_is_away_is_told_and_its_return_too(journey: Journey, words: tuple[str, ...]) -> None:
    crew = start_crew(journey, *words)
    crew.until_ready()
    with locked(journey):
        until(lambda: crew.health()[0] == NOT_WELL, "the store does not answer", timeout=30)
        assert "the store does not answer" in crew.health()[1]["reason"]
    crew.until_ready("the store is back")
    assert crew.terminate() == 0


@pytest.mark.soak
def test_a_child_that_stands_still_is_told_when_it_has_been_silent(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2")
    pids = crew.until_ready()
    os.kill(pids[0], signal.SIGSTOP)
    until(lambda: crew.health()[0] == NOT_WELL, "it is missed", timeout=15)
    assert "it has not reported for" in crew.health()[1]["reason"]
    os.kill(pids[0], signal.SIGCONT)
    crew.until_ready("it is back")
    assert crew.terminate() == 0


def test_what_stops_is_not_ready(journey: Journey) -> None:
    crew = start_crew(journey, "--processes", "2")
    crew.until_ready()
    add(journey, ("work", 0, 2.0))
    until(lambda: running(journey) == 1, "it runs")
    crew.process.terminate()
    until(lambda: crew.health()[0] == NOT_WELL, "it says so")
    assert crew.health()[1]["reason"] == "it is stopping"
    assert crew.process.wait(20) == 0


# Reload

APP = """
import os
from pathlib import Path
from afterwards import Afterwards

afterwards = Afterwards()

@afterwards.task(name="work")
async def work(number: int, seconds: float) -> None:
    with Path(os.environ["JOURNEY_MARKS"]).open("a") as marks:
        marks.write(f"end {number} VERSION\\n")
"""


def version_that_ran(journey: Journey, number: int) -> str:
    return next((words[1] for words in journey.marks("end") if words[0] == str(number)), "")


def write_app(journey: Journey, code: str) -> None:
    """At once, as an editor does."""
    draft = journey.folder / "draft"
    draft.write_text(code)
    draft.replace(journey.folder / "edited.py")


def edit_until(journey: Journey, crew: Crew, code: str, seen: Callable[[], object], what: str) -> None:
    """The watching begins a moment after the start: an edit before that is written again."""
    edits = iter(range(1000))

    def edited() -> bool:
        write_app(journey, f"{code}\n# {next(edits)}\n")
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline and not seen():
            time.sleep(0.05)
        return bool(seen())

    until(edited, what, timeout=30)


def test_an_edit_is_taken_up_and_one_that_is_broken_is_told_and_waited_out(journey: Journey) -> None:
    write_app(journey, APP.replace("VERSION", "first"))
    crew = start_crew(journey, "--reload", place="edited:afterwards", cwd=journey.folder)
    pids = crew.until_ready()
    add(journey, ("work", 1, 0))
    until(lambda: version_that_ran(journey, 1) == "first", "it works")

    def is_replaced(former: list[int]) -> bool:
        return crew.is_ready() and crew.pids() != former

    edit_until(journey, crew, APP.replace("VERSION", "second"), partial(is_replaced, pids), "the edit is taken up")
    add(journey, ("work", 2, 0))
    until(lambda: version_that_ran(journey, 2) == "second", "by what was edited")

    edit_until(journey, crew, "this is no Python", lambda: "SyntaxError" in journey.output(), "the mistake is told")
    until(lambda: crew.health()[0] == NOT_WELL, "nobody works now")
    add(journey, ("work", 3, 0))
    edit_until(journey, crew, APP.replace("VERSION", "third"), crew.is_ready, "it is mended")
    until(lambda: version_that_ran(journey, 3) == "third", "what waited has run")
    assert crew.process.poll() is None
    assert crew.terminate() == 0
