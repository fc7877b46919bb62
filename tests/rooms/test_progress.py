"""How far tasks are, what they return and what they log: from inside a task to who looks at it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from afterwards import Afterwards, Progress, Retry, State, Stop, Task, current_task, track
from afterwards.batch import TaskHandle
from afterwards.testing import inline

gates: dict[str, threading.Event] = {}
logger = logging.getLogger("tests.progress")


@pytest.fixture
async def afterwards(tmp_path: Path) -> AsyncIterator[Afterwards]:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", retry=Retry(first=0.01), max_bytes=2000)
    gates.clear()
    async with afterwards.opened(worker=True):
        yield afterwards


@pytest.fixture(autouse=True)
def what_is_logged_is_made(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def seen(afterwards: Afterwards, handle: TaskHandle, condition: Callable[[Task], object]) -> Task:
    async with asyncio.timeout(10):
        while not condition(task := await afterwards.get(handle.id)):
            await asyncio.sleep(0.01)
    return task


def gate(name: str) -> threading.Event:
    return gates.setdefault(name, threading.Event())


async def go_step_by_step() -> None:
    current_task().progress(1, of=3, say="first")
    await asyncio.to_thread(gate("first").wait, 10)
    current_task().progress(2, of=3)
    current_task().progress(3, of=3, say="last")


def go_in_a_thread() -> None:
    current_task().progress(0.5)
    gate("first").wait(10)


async def block_the_event_loop() -> None:
    current_task().progress(1)
    gate("first").wait(10)


async def fail_half_way() -> None:
    current_task().progress(current_task().attempt, of=4)
    if current_task().attempt == 2:
        await asyncio.to_thread(gate("first").wait, 10)
    raise ValueError("half way")


async def say_nonsense(what: str) -> None:
    match what:
        case "below 0":
            current_task().progress(-1)
        case "no number":
            current_task().progress(float("nan"))
        case _:
            current_task().progress(1, of="many")  # type: ignore[arg-type]  # the nonsense


async def go_through(count: int) -> list[int]:
    return list(track(range(count), say="counting"))


async def go_through_a_stream() -> None:
    async def stream() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async for _ in track(stream(), of=4):
        pass


async def settle_myself(url: str) -> int:
    current_task().progress(1, of=2)
    with Session(create_engine(url)) as session, session.begin():
        await current_task().done_in(session)
    return 7


@pytest.mark.parametrize("function", [go_step_by_step, go_in_a_thread])
async def test_it_is_seen_while_the_task_runs(afterwards: Afterwards, function: Callable[[], Awaitable[None] | None]):
    handle = await afterwards.add(function)
    running = await seen(afterwards, handle, lambda task: task.progress)
    assert running.state is State.RUNNING
    gate("first").set()
    await afterwards.wait(handle.id, timeout=10)


async def test_the_last_one_is_there_when_the_task_has_ended(afterwards: Afterwards):
    gate("first").set()
    handle = await afterwards.add(go_step_by_step)
    assert (await afterwards.wait(handle.id, timeout=10)).progress == Progress(done=3, of=3, say="last")


async def test_a_task_that_blocks_the_event_loop_is_heard_too(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'blocked.db'}"
    elsewhere = Afterwards(url=url, worker=False)

    def work() -> None:
        async def main() -> None:
            afterwards = Afterwards(url=url)
            async with afterwards.opened():
                await afterwards.drain()

        asyncio.run(main())

    async with elsewhere.opened():
        handle = await elsewhere.add(block_the_event_loop)
        worker = threading.Thread(target=work)
        worker.start()
        assert (await seen(elsewhere, handle, lambda task: task.progress)).progress == Progress(done=1)
        gate("first").set()
        await asyncio.to_thread(worker.join, 10)


async def test_each_try_begins_anew_and_the_failed_one_keeps_how_far_it_came(afterwards: Afterwards):
    handle = await afterwards.using(retry=Retry(attempts=2, first=0.01)).add(fail_half_way)
    again = await seen(afterwards, handle, lambda task: task.progress == Progress(done=2, of=4))
    assert again.attempt == 2
    gate("first").set()
    task = await afterwards.wait(handle.id, timeout=10)
    assert (task.state, task.progress) == (State.FAILED, Progress(done=2, of=4))


@pytest.mark.parametrize("what", ["below 0", "no number", "a text"])
async def test_nonsense_is_refused_in_words(afterwards: Afterwards, what: str):
    handle = await afterwards.using(retry=Retry.never).add(say_nonsense, what)
    task = await afterwards.wait(handle.id, timeout=10)
    assert task.error is not None
    assert "a number from 0" in task.error.message


async def test_items_are_counted(afterwards: Afterwards):
    counted, streamed = await afterwards.add(go_through, 5), await afterwards.add(go_through_a_stream)
    tasks = await afterwards.wait_all([counted.id, streamed.id], timeout=10)
    assert [task.progress for task in tasks] == [Progress(done=5, of=5, say="counting"), Progress(done=3, of=4)]


async def test_outside_of_a_task_nobody_hears_it_and_the_function_works():
    assert await go_through(3) == [0, 1, 2]
    assert list(Afterwards(url="sqlite://").track(["a"])) == ["a"]


async def test_a_task_run_inline_may_tell_too(afterwards: Afterwards):
    with inline(afterwards):
        await afterwards.add(go_through_a_stream)


async def test_a_transaction_that_settles_the_task_keeps_its_progress(afterwards: Afterwards, tmp_path: Path):
    handle = await afterwards.using(keep_result=True).add(settle_myself, f"sqlite:///{tmp_path / 'rooms.db'}")
    task = await afterwards.wait(handle.id, timeout=10)
    assert (task.state, task.progress, task.result) == (State.DONE, Progress(done=1, of=2), None)


async def test_what_tells_very_often_is_written_seldom(afterwards: Afterwards):
    handle = await afterwards.add(go_through, 100_000)
    started = time.monotonic()
    task = await afterwards.wait(handle.id, timeout=30)
    assert task.progress == Progress(done=100_000, of=100_000, say="counting")
    assert time.monotonic() - started < 20, "it does not wait for the store"


# What they return


class Point(BaseModel):
    x: int
    y: Decimal = Decimal(0)


async def a_point(x: int) -> Point:
    return Point(x=x)


def plain() -> None:
    return None


def not_annotated():
    return {"n": [1, 2.5, None, "ü"]}


def a_pair_not_annotated():
    return (1, Decimal(2))


def a_pair() -> tuple[int, Decimal]:
    return (1, Decimal(2))


def something_else() -> int:
    return "x"  # type: ignore[return-value]  # which is the point


def much() -> str:
    return "x" * 3000


def a_generator() -> object:
    return (n for n in range(3))


@pytest.mark.parametrize(
    ("function", "value"),
    [(plain, None), (not_annotated, {"n": [1, 2.5, None, "ü"]}), (a_pair, (1, Decimal(2)))],
)
async def test_what_a_function_returns_is_kept(afterwards: Afterwards, function: Callable[[], object], value: object):
    handle = await afterwards.using(keep_result=True).add(function)
    task = await afterwards.wait(handle.id, timeout=10)
    assert (task.result, task.error) == (value, None)
    assert task.returned is not None
    [found] = await afterwards.find(function=task.name)
    assert found.result == value


async def test_it_is_kept_by_the_functions_own_option_unless_the_call_says_otherwise(afterwards: Afterwards):
    afterwards.task(keep_result=True)(a_point)
    kept, not_kept = await afterwards.add(a_point, 3), await afterwards.using(keep_result=False).add(a_point, 3)
    one, other = await afterwards.wait_all([kept.id, not_kept.id], timeout=10)
    assert (one.result, other.result, other.returned) == (Point(x=3), None, None)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (a_pair_not_annotated, "Annotate the return"),
        (something_else, "of type str"),
        (much, "limit is 2,000"),
        (a_generator, "cannot be kept"),
    ],
)
async def test_what_cannot_be_kept_leaves_the_task_done_and_says_why(
    afterwards: Afterwards, function: Callable[[], object], why: str
):
    handle = await afterwards.using(keep_result=True).add(function)
    task = await afterwards.wait(handle.id, timeout=10)
    assert (task.state, task.attempt, task.returned) == (State.DONE, 1, None)
    assert task.error is not None
    assert why in task.error.message


async def test_a_result_that_does_not_fit_the_annotation_any_more_is_read_as_plain_json(afterwards: Afterwards):
    handle = await afterwards.using(keep_result=True).add(a_point, 3)
    await afterwards.wait(handle.id, timeout=10)
    a_point.__annotations__["return"] = int
    try:
        reader = Afterwards(url=afterwards.house.settings.url, worker=False)
        assert (await reader.get(handle.id)).result == {"x": 3}
    finally:
        a_point.__annotations__["return"] = Point


@pytest.mark.parametrize("option", ["keep_result", "keep_logs"])
def test_an_option_that_is_no_yes_or_no_is_refused(option: str):
    afterwards = Afterwards(url="sqlite://")
    with pytest.raises(ValueError, match=f"{option} is True or False"):
        afterwards.using(**{option: "yes"})  # type: ignore[arg-type]  # the nonsense
    with pytest.raises(ValueError, match=f"{option} is True or False"):
        afterwards.task(**{option: 1})  # type: ignore[arg-type]  # the nonsense


# What they log


async def log_something() -> None:
    logger.info("begun with %d", 3)
    logging.getLogger("elsewhere").warning("careful")
    logger.debug("too fine")
    await asyncio.to_thread(logger.info, "from a thread")


def log_and_fail() -> None:
    try:
        raise KeyError("lost")
    except KeyError:
        logger.exception("it broke")
    raise Stop("enough")


async def log_much() -> None:
    for number in range(500):
        logger.info("line %d", number)


async def log_for_ever() -> None:
    logger.info("waiting")
    await asyncio.Event().wait()


async def log_what_cannot_be_printed() -> None:
    logger.info("%d", "no number")


async def test_lines_are_kept_where_that_is_wanted(afterwards: Afterwards):
    wanted, not_wanted = await afterwards.using(keep_logs=True).add(log_something), await afterwards.add(log_something)
    kept, other = await afterwards.wait_all([wanted.id, not_wanted.id], timeout=10)
    assert [(line.level, line.logger, line.text) for line in kept.logs] == [
        ("INFO", "tests.progress", "begun with 3"),
        ("WARNING", "elsewhere", "careful"),
        ("INFO", "tests.progress", "from a thread"),
    ]
    assert other.logs == ()


async def test_a_failed_task_in_a_thread_keeps_its_lines_with_their_tracebacks(afterwards: Afterwards):
    handle = await afterwards.using(keep_logs=True).add(log_and_fail)
    task = await afterwards.wait(handle.id, timeout=10)
    [line] = task.logs
    assert (task.state, line.level) == (State.FAILED, "ERROR")
    assert line.text.startswith("it broke\nTraceback")
    assert "KeyError: 'lost'" in line.text


async def test_the_newest_lines_are_kept(afterwards: Afterwards):
    handle = await afterwards.using(keep_logs=True).add(log_much)
    logs = (await afterwards.wait(handle.id, timeout=10)).logs
    assert logs[0].text.startswith("300 older lines are not kept")
    assert [line.text for line in logs[1:]] == [f"line {number}" for number in range(300, 500)]


async def test_a_cancelled_task_keeps_them_too(afterwards: Afterwards):
    handle = await afterwards.using(keep_logs=True).add(log_for_ever)
    await seen(afterwards, handle, lambda task: task.state is State.RUNNING)
    await afterwards.cancel(handle.id)
    task = await afterwards.wait(handle.id, timeout=10)
    assert (task.state, [line.text for line in task.logs]) == (State.CANCELLED, ["waiting"])


async def test_a_line_that_cannot_be_printed_does_no_harm(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handle = await afterwards.using(keep_logs=True).add(log_what_cannot_be_printed)
    task = await afterwards.wait(handle.id, timeout=10)
    assert task.state is State.DONE
    assert "cannot be read" in task.logs[0].text
