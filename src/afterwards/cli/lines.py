"""How the log lines of worker processes look: as text, with the task that wrote each, or as JSON."""

from __future__ import annotations

import logging
from enum import StrEnum

from afterwards.log_fields import OUTSIDE, JSONLogFormatter, TaskLogFilter

_TEXT = "%(asctime)s %(levelname)-7s {who}{task}%(message)s"


class LogFormat(StrEnum):
    """What `--log-format` takes."""

    TEXT = "text"
    JSON = "json"


def write_lines(how: LogFormat, process: str) -> None:
    """Write all lines of this process to standard error; unless the user's code has configured logging first.

    `process` is who speaks, where several processes write to one terminal; empty where there is but one.
    """
    lines = logging.StreamHandler()
    lines.addFilter(TaskLogFilter())
    lines.setFormatter(_TextFormatter(process) if how is LogFormat.TEXT else _JSONFormatter(process))
    logging.basicConfig(level=logging.INFO, handlers=[lines])


class _TextFormatter(logging.Formatter):
    """Our own lines about a task name it themselves."""

    def __init__(self, process: str) -> None:
        who = f"{process}: " if process else ""
        super().__init__(_TEXT.format(who=who, task=""))
        self._in_task = logging.Formatter(_TEXT.format(who=who, task="[%(task_name)s %(task_id)s %(task_attempt)s] "))

    def format(self, record: logging.LogRecord) -> str:
        is_of_task = record.name != "afterwards" and getattr(record, "task_id", OUTSIDE) != OUTSIDE
        return self._in_task.format(record) if is_of_task else super().format(record)


class _JSONFormatter(JSONLogFormatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        if self._process:
            record.process_name = self._process
        return super().format(record)
