"""What a task writes to the log of its app says which task has written it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afterwards import Afterwards, JSONLogFormatter, Retry, TaskLogFilter
from afterwards.testing import inline

log = logging.getLogger("tests.logs")


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'logs.db'}", retry=Retry(attempts=2, first=0.0, jitter=0.0))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.addFilter(TaskLogFilter())
    handler.setFormatter(JSONLogFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)


def written_by(lines: io.StringIO, logger: str) -> list[dict[str, Any]]:
    every = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in every if line["logger"] == logger]


async def says(word: str) -> None:
    await asyncio.sleep(0)
    log.warning(word)


def says_in_a_thread(word: str) -> None:
    log.warning(word)


def fails_once(word: str) -> None:
    log.warning(word)
    if len(attempts) == 0:
        attempts.append(1)
        raise RuntimeError(word)


attempts: list[int] = []


async def test_async_tasks_beside_each_other_and_tasks_in_threads_each_say_their_own(
    afterwards: Afterwards, lines: io.StringIO
):
    async with afterwards.opened():
        added = [
            await afterwards.add(function, word)
            for word, function in zip("abcd", (says, says_in_a_thread) * 2, strict=True)
        ]
        await afterwards.drain()
    log.warning("outside")
    said = {line["message"]: line for line in written_by(lines, "tests.logs")}
    assert [said[word]["task_id"] for word in "abcd"] == [str(one.id) for one in added]
    assert said["a"]["task_name"] == f"{__name__}:says"
    assert said["b"]["task_attempt"] == 1
    assert "task_id" not in said["outside"]


async def test_each_try_says_which_it_is_and_so_do_the_lines_about_it(afterwards: Afterwards, lines: io.StringIO):
    attempts.clear()
    async with afterwards.opened():
        added = await afterwards.add(fails_once, "no")
        await afterwards.drain()
    assert [line["task_attempt"] for line in written_by(lines, "tests.logs")] == [1, 2]
    about = [line for line in written_by(lines, "afterwards") if "again in" in line["message"]]
    assert [(line["task_id"], line["task_attempt"]) for line in about] == [(str(added.id), 1)]


async def test_a_task_that_runs_inline_says_it_too(afterwards: Afterwards, lines: io.StringIO):
    with inline(afterwards):
        added = await afterwards.add(says, "inline")
    assert [line["task_id"] for line in written_by(lines, "tests.logs")] == [str(added.id)]
