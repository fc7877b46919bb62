"""`afterwards worker`, as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afterwards import Afterwards, State, Task
from tests.doors.cli_runs import CommandLine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGTERM")

APP = """
import asyncio, logging, pathlib
from afterwards import Afterwards

afterwards = Afterwards()

@afterwards.task(name="quick", queue="mail")
async def quick() -> None: ...

@afterwards.task(name="slow")
async def slow(seconds: float) -> None:
    pathlib.Path("started").touch()
    logging.getLogger("the_app").warning("slowly")
    pathlib.Path("loop").write_text(type(asyncio.get_running_loop()).__module__.partition(".")[0])
    await asyncio.sleep(seconds)
"""


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    (tmp_path / "the_app.py").write_text(APP)
    return CommandLine(tmp_path, capsys, monkeypatch)


@pytest.fixture
def start(command: CommandLine) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def started(*words: str) -> subprocess.Popen[str]:
        processes.append(command.start("worker", "the_app:afterwards", *words))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.communicate()


async def quick() -> None: ...


async def slow(seconds: float) -> None: ...


def add(url: str, *, seconds: float | None = None) -> None:
    """Add one task for the worker, whose own functions have these names."""

    async def store() -> None:
        afterwards = Afterwards(url=url, worker=False)
        afterwards.task(name="quick", queue="mail")(quick)
        afterwards.task(name="slow")(slow)
        async with afterwards.opened():
            await (afterwards.add(quick) if seconds is None else afterwards.add(slow, seconds))

    asyncio.run(store())


def tasks(url: str) -> list[Task]:
    async def find() -> list[Task]:
        async with Afterwards(url=url, worker=False).opened() as afterwards:
            return await afterwards.find()

    return asyncio.run(find())


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_runs_what_is_stored_and_ends_well_on_sigterm(
    command: CommandLine, start: Callable[..., subprocess.Popen[str]]
):
    add(command.url)
    worker = start("--concurrency", "3", "--verbose")
    until(lambda: [task.state for task in tasks(command.url)] == [State.DONE])
    worker.terminate()
    out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert "up to 3 tasks at once" in out
    assert out.count(" done after ") == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_task_logs_says_which_task_it_is(
    processes: int, command: CommandLine, start: Callable[..., subprocess.Popen[str]]
):
    add(command.url, seconds=0)
    worker = start("--log-format", "json", "--processes", str(processes))
    until(lambda: [task.state for task in tasks(command.url)] == [State.DONE])
    worker.terminate()
    lines = [json.loads(line) for line in worker.communicate(timeout=20)[0].splitlines()]
    [said] = [line for line in lines if line["logger"] == "the_app"]
    assert (said["task_id"], said["task_name"]) == (str(tasks(command.url)[0].id), "slow")
    assert ("process_name" in said) == (processes > 1)


def test_in_lines_of_text_too(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    add(command.url, seconds=0)
    worker = start("--verbose")
    until(lambda: [task.state for task in tasks(command.url)] == [State.DONE])
    worker.terminate()
    [said, ended] = [line for line in worker.communicate(timeout=20)[0].splitlines() if "slow" in line]
    assert said.endswith(f" WARNING [slow {tasks(command.url)[0].id} 1] slowly")
    assert ended.count("slow") == 1, "our own lines name the task by themselves"


@pytest.mark.parametrize(("words", "loop"), [((), "uvloop"), (("--loop", "asyncio"), "asyncio")])
@pytest.mark.parametrize("processes", [1, 2])
def test_it_takes_the_faster_loop_unless_told_otherwise(
    words: tuple[str, ...],
    loop: str,
    processes: int,
    command: CommandLine,
    start: Callable[..., subprocess.Popen[str]],
):
    add(command.url, seconds=0)
    start("--processes", str(processes), *words)
    until(lambda: [task.state for task in tasks(command.url)] == [State.DONE])
    assert (command.folder / "loop").read_text() == loop


def test_it_serves_only_the_queues_it_is_given(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    add(command.url, seconds=0)
    add(command.url)
    start("--queue", "mail", "--queue", "other")
    until(lambda: {task.queue: task.state for task in tasks(command.url)} == {"mail": "done", "default": "waiting"})


def test_the_first_sigterm_lets_a_task_finish(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    add(command.url, seconds=1)
    worker = start()
    until((command.folder / "started").exists)
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert tasks(command.url)[0].state is State.DONE


def test_two_signals_a_moment_apart_are_one_wish(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    add(command.url, seconds=1)
    worker = start()
    until((command.folder / "started").exists)
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert tasks(command.url)[0].state is State.DONE


def test_the_second_signal_ends_it_at_once(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    add(command.url, seconds=60)
    worker = start()
    until((command.folder / "started").exists)

    def ended_by_signals() -> bool:
        worker.terminate()
        return worker.poll() is not None

    until(ended_by_signals)
    assert worker.returncode == 128 + signal.SIGTERM
    assert tasks(command.url)[0].state is State.RUNNING


def test_a_queue_without_a_name_is_a_wrong_use(command: CommandLine):
    worker = command.start("worker", "the_app:afterwards", "--queue", "")
    out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 2
    assert "queue takes a name" in out


def test_a_place_without_an_app_is_told(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    worker = command.start("worker", "the_app:nothing")
    out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 1
    assert "the_app:nothing is nothing; there is the_app:afterwards" in out


def test_a_store_that_no_waiting_cures_is_told(command: CommandLine, start: Callable[..., subprocess.Popen[str]]):
    (command.folder / "tasks.db").write_text("no database " * 1000)
    worker = start()
    out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 1
    assert "damaged or no SQLite file" in out
    assert "Traceback" not in out
