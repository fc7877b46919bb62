"""Keeps the lines that a task logs: those of the `logging` module, of any logger, in its context and in its thread.

It hears each record where it is made, so whatever a logger's own level lets through, and it changes nothing of what
becomes of the record otherwise. The newest lines are kept, within a number and a size.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import cast

from afterwards.failures import clean
from afterwards.tasks import LogLine

MOST_LINES = 200
MOST_CHARACTERS = 65_536
LONGEST_LINE = 4_000

_open: ContextVar[Logbook | None] = ContextVar("afterwards_logbook", default=None)
_formatter = logging.Formatter()
_hearing = threading.Lock()


class Logbook:
    """The lines of one run. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[LogLine] = deque()
        self._characters = self._left_out = 0

    def lines(self) -> tuple[LogLine, ...]:
        """What is kept, the oldest first; before it a line that says how many were left out."""
        with self._lock:
            lines = tuple(self._lines)
        if not self._left_out:
            return lines
        said = f"{self._left_out} older lines are not kept: {MOST_LINES} are, and {MOST_CHARACTERS:,} characters"
        return (LogLine(at=lines[0].at, level="INFO", logger="afterwards", text=said), *lines)

    def hear(self, record: logging.LogRecord) -> None:
        """Keep what it says. Never raises, as logging itself does not."""
        line = LogLine(
            at=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname,
            logger=record.name,
            text=clean(_text(record), LONGEST_LINE),
        )
        with self._lock:
            self._lines.append(line)
            self._characters += len(line.text)
            while len(self._lines) > MOST_LINES or self._characters > MOST_CHARACTERS:
                self._characters -= len(self._lines.popleft().text)
                self._left_out += 1

    @contextmanager
    def open(self) -> Generator[None]:
        """What is logged inside the block, and in threads that are started there with its context, is kept here."""
        with _hearing:
            _hear_records()
        token = _open.set(self)
        try:
            yield
        finally:
            _open.reset(token)


def _text(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
        traceback = _formatter.formatException(record.exc_info) if record.exc_info else record.exc_text
        return f"{text}\n{traceback}" if traceback else text
    except Exception as error:  # arguments that do not fit the message, or that cannot be printed
        return f"(this line cannot be read: {type(error).__name__} in {record.msg!r:.200})"


def hear(record: logging.LogRecord) -> None:
    """A record that was made elsewhere, for the task in whose context this is called."""
    book = _open.get()
    if book is not None:
        book.hear(record)


@cache
def _hear_records() -> None:
    """Once in a process. A handler would not do: with one, `logging.basicConfig()` would find it and do nothing."""
    make = logging.getLogRecordFactory()

    def make_and_hear(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if cast("str | None", record.name) is not None:  # else it is made to be filled in, from one heard elsewhere
            hear(record)
        return record

    logging.setLogRecordFactory(make_and_hear)
