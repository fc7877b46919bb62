"""Which task a log line comes from, for the logging of the user: a filter, and a formatter that writes JSON.

Nothing here is installed by itself: whoever configures logging asks for it.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from afterwards.current import current_task
from afterwards.tasks import Task

OUTSIDE = "-"  # what a field says in a line that no task has written
_NAMES = ("task_id", "task_name", "task_attempt")
_USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}  # the last is uvicorn's

Fields = dict[str, object]


def fields_of(task: Task) -> Fields:
    """The fields of a line about a task, written from outside of it."""
    return dict(zip(_NAMES, (str(task.id), task.name, task.attempt), strict=True))


class TaskLogFilter(logging.Filter):
    """Gives each line that a task writes `task_id`, `task_name` and `task_attempt`; lines of others have `-` there.

    Put it on a handler, not on a logger: a logger's filters do not see the lines of the loggers under it. In `def`
    tasks too; not in threads that a task starts by itself. It keeps every line.

    Example:
        `handler.addFilter(TaskLogFilter())`, with `"%(levelname)s [%(task_name)s %(task_id)s] %(message)s"` as format
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; fields that the line has already stay."""
        vars(record).update(_fields(record))
        return True


class JSONLogFormatter(logging.Formatter):
    """Writes each line as one line of JSON: `time`, `level`, `logger`, `message`, the task's fields, and every `extra`.

    `time` is in UTC; `exception` and `stack` are there if the line has them. What JSON has no form for is written as
    its `str`. With a `QueueHandler`, add a `TaskLogFilter` to that, since another thread then does the formatting.

    Example:
        `handler.setFormatter(JSONLogFormatter())`
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII."""
        fields = _whats_said(record) | _fields(record) | self._errors(record) | _extra(record)
        fields = {name: value for name, value in fields.items() if name not in _NAMES or value != OUTSIDE}
        try:
            return json.dumps(fields, default=_text, allow_nan=False, skipkeys=True)
        except (ValueError, RecursionError):  # NaN, or a circle, somewhere in an extra
            return json.dumps({name: _plain(value) for name, value in fields.items()})

    def _errors(self, record: logging.LogRecord) -> Fields:
        fields: Fields = {}
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            fields["exception"] = record.exc_text
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return fields


def _fields(record: logging.LogRecord) -> Fields:
    try:
        task = current_task()
    except LookupError:
        values: tuple[object, ...] = (OUTSIDE, OUTSIDE, OUTSIDE)
    else:
        values = (str(task.id), task.name, task.attempt)
    return {name: getattr(record, name, value) for name, value in zip(_NAMES, values, strict=True)}


def _whats_said(record: logging.LogRecord) -> Fields:
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
    }


def _extra(record: logging.LogRecord) -> Fields:
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | bool | None) else _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # a log line is no place to fail
        return f"<{type(value).__name__}, whose str raised {type(error).__name__}>"
