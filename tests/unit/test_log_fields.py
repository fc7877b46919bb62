"""The filter and the JSON formatter, on lines that no task has written; those of tasks: `tests/rooms/test_logs.py`."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from afterwards import JSONLogFormatter, TaskLogFilter


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def handler(lines: io.StringIO) -> logging.Handler:
    return logging.StreamHandler(lines)


@pytest.fixture
def log(handler: logging.Handler) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.log_fields")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def written(lines: io.StringIO) -> dict[str, Any]:
    [line] = lines.getvalue().splitlines()
    return json.loads(line)


def test_outside_of_tasks_the_fields_are_dashes(handler: logging.Handler, log: logging.Logger, lines: io.StringIO):
    handler.addFilter(TaskLogFilter())
    handler.setFormatter(logging.Formatter("[%(task_name)s %(task_id)s %(task_attempt)s] %(message)s"))
    log.warning("hello")
    assert lines.getvalue() == "[- - -] hello\n"


@pytest.mark.parametrize("filters", [(), (TaskLogFilter(),)], ids=["alone", "with the filter"])
def test_a_line_of_json_has_what_was_said_and_every_extra(
    filters: tuple[logging.Filter, ...], handler: logging.Handler, log: logging.Logger, lines: io.StringIO
):
    for one in filters:
        handler.addFilter(one)
    handler.setFormatter(JSONLogFormatter())
    log.warning("hello %s\n\u202e", "you", extra={"user": {"id": 7}})
    line = written(lines)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "tests.log_fields",
        "message": "hello you\n\u202e",
        "user": {"id": 7},
    }
    assert lines.getvalue().isascii()


def test_a_line_about_a_task_keeps_the_fields_it_was_given(
    handler: logging.Handler, log: logging.Logger, lines: io.StringIO
):
    handler.addFilter(TaskLogFilter())
    handler.setFormatter(JSONLogFormatter())
    log.warning("it ended", extra={"task_id": "this", "task_attempt": 2})
    line = written(lines)
    assert (line["task_id"], line["task_attempt"]) == ("this", 2)


def test_a_line_of_json_has_the_error_and_the_stack(handler: logging.Handler, log: logging.Logger, lines: io.StringIO):
    handler.setFormatter(JSONLogFormatter())
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("it failed", stack_info=True)
    line = written(lines)
    assert line["exception"].endswith("ValueError: no")
    assert line["stack"].startswith("Stack (most recent call last)")


def test_what_json_has_no_form_for_is_written_as_text(
    handler: logging.Handler, log: logging.Logger, lines: io.StringIO
):
    handler.setFormatter(JSONLogFormatter())
    circle: list[object] = []
    circle.append(circle)
    log.warning("odd", extra={"nan": float("nan"), "circle": circle, "broken": Broken(), "half": "\ud800"})
    line = written(lines)
    assert (line["nan"], line["circle"], line["half"]) == ("nan", "[[...]]", "\ud800")
    assert "RuntimeError" in line["broken"]
