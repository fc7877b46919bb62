"""Isolated tasks run in processes of the worker's own, and are really stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from afterwards import Afterwards, Progress, Retry, State, Task
from afterwards.testing import inline
from tests.rooms import isolated_functions as functions
from tests.rooms.builders import until

AT_ONCE = Retry(attempts=2, first=0.0, jitter=0.0)


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


@pytest.fixture(scope="module")
async def afterwards(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Afterwards]:
    """One for all: to start processes takes long, and one after another is what they are for."""
    url = f"sqlite:///{tmp_path_factory.mktemp('isolation') / 'tasks.db'}"
    afterwards = Afterwards(url=url, retry=Retry.never, grace=0.1, processes=2)
    functions.isolate_all(afterwards)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("URL_OF_ISOLATED", url)
        async with afterwards.opened(worker=True):
            yield afterwards


def lines(diary: Path) -> list[str]:
    return diary.read_text(encoding="utf-8").splitlines() if diary.exists() else []


def lives(pid: int) -> bool:
    """Not as a zombie either."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def ended(afterwards: Afterwards, function: object, *args: object, **how: object) -> Task:
    task_id = (await afterwards.using(**how).add(function, *args)).id  # type: ignore[arg-type]  # one of several
    return await afterwards.wait(task_id, timeout=20)


def error_of(task: Task) -> tuple[State, str, str]:
    assert task.error is not None
    return task.state, task.error.kind.removeprefix("afterwards.errors."), task.error.message


async def test_an_isolated_function_runs_in_another_process(afterwards: Afterwards, diary: Path) -> None:
    for _ in range(2):
        assert (await ended(afterwards, functions.who, str(diary))).state is State.DONE
    first, second = lines(diary)
    assert first == second != str(os.getpid()), "one after another, they take the same process"


async def test_one_that_never_ends_is_stopped_at_its_timeout(afterwards: Afterwards, diary: Path) -> None:
    await ended(afterwards, functions.who, str(diary))
    began = time.monotonic()
    task = await ended(afterwards, functions.spins, str(diary), timeout=2.0)
    took = time.monotonic() - began
    state, kind, message = error_of(task)
    assert (state, kind, message) == (State.FAILED, "TimedOut", "it was still running after its timeout of 2 s")
    assert 2.0 <= took < 4.0
    assert task.error is not None
    assert "while True:" in task.error.traceback, "it says where it was"
    assert not lives(int(lines(diary)[-1])), "so that its memory is returned"
    assert (await ended(afterwards, functions.who, str(diary))).state is State.DONE


# Stopped


@pytest.mark.parametrize("function", [functions.blocks, functions.holds_everything])
async def test_whatever_it_does_it_is_stopped(afterwards: Afterwards, diary: Path, function: object) -> None:
    task = await ended(afterwards, function, str(diary), timeout=1.0)
    assert error_of(task)[:2] == (State.FAILED, "TimedOut")
    assert not lives(int(lines(diary)[0]))


async def test_an_async_function_cleans_up_first(afterwards: Afterwards, diary: Path) -> None:
    task = await ended(afterwards, functions.sleeps, str(diary), timeout=1.0)
    assert error_of(task)[:2] == (State.FAILED, "TimedOut")
    assert task.error is not None
    assert "await asyncio.sleep(60)" in task.error.traceback
    assert lines(diary)[1:] == ["cancelled"]


@pytest.mark.parametrize("function", [functions.spins, functions.sleeps])
async def test_a_cancelled_one_is_stopped(afterwards: Afterwards, diary: Path, function: object) -> None:
    added = await afterwards.add(function, str(diary))  # type: ignore[arg-type]  # one of several
    await until(lambda: lines(diary))
    await afterwards.cancel(added.id)
    assert (await afterwards.wait(added.id, timeout=10)).state is State.CANCELLED
    assert not lives(int(lines(diary)[0]))
    assert lines(diary)[1:] == (["cancelled"] if function is functions.sleeps else [])


async def test_after_its_grace_the_worker_kills_it_and_gives_it_back(tmp_path: Path, diary: Path) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'stopped.db'}", grace=0.1)
    functions.isolate_all(afterwards)
    async with afterwards.opened(worker=True):
        task_id = (await afterwards.add(functions.spins, str(diary))).id
        await until(lambda: lines(diary))
    assert not lives(int(lines(diary)[0]))
    async with afterwards.opened():
        task = await afterwards.get(task_id)
    assert (task.state, task.attempt, task.crashes) == (State.WAITING, 0, 0)


async def test_the_programs_that_it_started_are_killed_with_it(afterwards: Afterwards, diary: Path) -> None:
    await ended(afterwards, functions.starts_a_program, str(diary), timeout=1.0)
    await until(lambda: not lives(int(lines(diary)[0])))


async def test_the_wait_for_a_process_does_not_count(afterwards: Afterwards, diary: Path) -> None:
    blocking = [(await afterwards.add(functions.spins, str(diary))).id for _ in range(2)]
    await until(lambda: len(lines(diary)) == 2)
    waiting = (await afterwards.using(timeout=2.0).add(functions.who, str(diary))).id
    await asyncio.sleep(2.1)  # that it lasts longer than the timeout is what is tested
    for task_id in blocking:
        await afterwards.cancel(task_id)
    assert (await afterwards.wait(waiting, timeout=10)).state is State.DONE


# Dead


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "its process ended with code 3"),
        ("segfault", "its process was ended by SIGSEGV"),
        ("kill", "its process was ended by SIGKILL: by somebody, or by the kernel because memory ran out"),
        ("fork", "its process ended with code 4"),
    ],
)
async def test_a_dead_process_is_the_failure_of_its_task_alone(
    afterwards: Afterwards, diary: Path, how: str, said: str
) -> None:
    beside = (await afterwards.add(functions.sleeps, str(diary))).id
    task = await ended(afterwards, functions.dies, how, retry=AT_ONCE)
    assert error_of(task) == (State.FAILED, "ProcessDied", said)
    assert (task.attempt, task.crashes) == (2, 0), "an attempt is spent, no crash: it is known who it was"
    await until(lambda: lines(diary))
    assert (await afterwards.cancel(beside)).state is State.RUNNING
    assert (await afterwards.wait(beside, timeout=10)).state is State.CANCELLED


async def test_one_that_takes_too_much_memory_is_killed_and_the_failure_says_so(afterwards: Afterwards) -> None:
    task = await ended(afterwards, functions.takes_memory, 400)
    state, kind, message = error_of(task)
    assert (state, kind) == (State.FAILED, "OutOfMemory")
    assert "MiB of memory, and max_memory is 256 MiB" in message
    assert (await ended(afterwards, functions.takes_memory, 20)).state is State.DONE


# As everywhere


async def test_an_error_comes_back_with_its_kind_message_and_place(afterwards: Afterwards) -> None:
    task = await ended(afterwards, functions.always_picky)
    assert task.error is not None
    assert (task.error.kind, task.error.message) == ("tests.rooms.isolated_functions.Picky", "1 is not 2")
    assert "raise Picky(1, 2)" in task.error.traceback


async def test_the_policy_knows_the_class_of_the_error(afterwards: Afterwards, diary: Path) -> None:
    only = Retry(attempts=3, first=0.0, only=(functions.Picky,))
    unless = Retry(attempts=3, first=0.0, unless=(Exception,))
    assert (await ended(afterwards, functions.fails_once_picky, str(diary), retry=only)).attempt == 2
    task = await ended(afterwards, functions.always_picky, retry=unless)
    assert (task.state, task.attempt) == (State.FAILED, 1)


async def test_a_task_says_itself_what_is_to_follow(afterwards: Afterwards) -> None:
    assert str((await ended(afterwards, functions.asks, "stop", retry=AT_ONCE)).error) == "no more of this"
    task = await ended(afterwards, functions.asks, "again")
    assert (task.state, task.attempt, task.run) == (State.DONE, 1, 2)


async def test_it_knows_which_task_it_is(afterwards: Afterwards, diary: Path) -> None:
    task = await ended(afterwards, functions.tells, str(diary))
    assert lines(diary) == [f"{task.id} tests.rooms.isolated_functions:tells 1 1"]


async def test_its_dependencies_are_solved_there(afterwards: Afterwards, diary: Path) -> None:
    assert (await ended(afterwards, functions.depends, str(diary))).state is State.DONE
    what, _, pid = lines(diary)[0].rpartition(" ")
    assert (what, pid == str(os.getpid())) == ("a dependency", False)


async def test_what_it_adds_is_stored_with_its_end(afterwards: Afterwards, diary: Path) -> None:
    assert (await ended(afterwards, functions.adds, str(diary))).state is State.DONE
    [later] = await afterwards.find(queue="later")
    assert later.state is State.WAITING
    await until(lambda: lines(diary))


async def test_it_may_add_by_itself(afterwards: Afterwards, diary: Path) -> None:
    assert (await ended(afterwards, functions.adds_by_itself, str(diary))).state is State.DONE
    await until(lambda: lines(diary))


async def test_what_it_logs_comes_to_the_loggers_of_the_worker(
    afterwards: Afterwards, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await ended(afterwards, functions.speaks)).state is State.DONE
    warning, _ = [record for record in caplog.records if record.name == "tests.isolated"]
    assert (warning.getMessage(), warning.levelno, vars(warning)["order"]) == ("a warning of the task", 30, 7)
    assert warning.process != os.getpid()
    assert "raise Picky(3, 4)" in caplog.text


async def test_in_tests_that_run_inline_it_runs_here(diary: Path) -> None:
    afterwards = Afterwards(url="sqlite://")
    functions.isolate_all(afterwards)
    with inline(afterwards):
        await afterwards.add(functions.who, str(diary))
    assert lines(diary) == [str(os.getpid())]


# Processes come and go


async def test_a_process_makes_room_after_some_tasks(tmp_path: Path, diary: Path) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'worn.db'}", processes=1, tasks_per_process=2)
    functions.isolate_all(afterwards)
    async with afterwards.opened(worker=True):
        for _ in range(3):
            assert (await ended(afterwards, functions.who, str(diary))).state is State.DONE
    first, second, third = lines(diary)
    assert first == second != third


async def test_one_is_warm_before_the_first_task_comes(tmp_path: Path, diary: Path) -> None:
    before = children()
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'warm.db'}", processes=1)
    functions.isolate_all(afterwards)
    async with afterwards.opened(worker=True):
        await until(lambda: children() - before)
        warm = children() - before
        assert (await ended(afterwards, functions.who, str(diary))).state is State.DONE
        assert set(lines(diary)) == warm
    assert not children() & warm, "it has ended with its worker"


async def test_a_private_store_is_not_shared_and_says_so(diary: Path) -> None:
    afterwards = Afterwards(url="sqlite://", retry=Retry.never)
    functions.isolate_all(afterwards)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("URL_OF_ISOLATED", "sqlite://")
        async with afterwards.opened(worker=True):
            state, kind, message = error_of(await ended(afterwards, functions.adds_by_itself, str(diary)))
            assert (state, kind) == (State.FAILED, "StoreUnusable")
            assert "give the Afterwards a URL with a path" in message
            assert (await ended(afterwards, functions.adds, str(diary))).state is State.DONE


def children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


async def test_signals_for_the_worker_do_not_reach_it(afterwards: Afterwards, diary: Path) -> None:
    added = await afterwards.using(timeout=1.5).add(functions.sleeps, str(diary))
    await until(lambda: lines(diary))
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(int(lines(diary)[0]), number)
    assert error_of(await afterwards.wait(added.id, timeout=10))[1] == "TimedOut"


async def test_it_tells_how_far_it_is_and_keeps_what_it_returns_and_logs(afterwards: Afterwards, diary: Path) -> None:
    handle = await afterwards.add(functions.tells_how_far, str(diary), stays=True)
    async with asyncio.timeout(20):
        while (await afterwards.get(handle.id)).progress != Progress(done=1, of=2, say="half"):
            await asyncio.sleep(0.01)
    functions.note(str(diary), "go on")
    task = await afterwards.wait(handle.id, timeout=20)
    assert (task.state, task.progress, task.result) == (State.DONE, Progress(done=2, of=2), {"pages": 2})
    assert [(line.level, line.logger, line.text) for line in task.logs] == [("WARNING", "tests.isolated", "it begins")]


async def test_one_that_is_killed_keeps_them_as_far_as_they_came(afterwards: Afterwards, diary: Path) -> None:
    handle = await afterwards.using(timeout=1.0).add(functions.tells_how_far, str(diary), stays=True)
    task = await afterwards.wait(handle.id, timeout=20)
    assert (error_of(task)[1], task.progress) == ("TimedOut", Progress(done=1, of=2, say="half"))
    assert [line.text for line in task.logs] == ["it begins"]
