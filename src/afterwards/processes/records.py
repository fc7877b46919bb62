"""Carries what is logged in a process to the loggers of its worker, which write it as they would their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeGuard

from afterwards import logbook
from afterwards.failures import clean
from afterwards.processes.wire import Line

_LONGEST = 100_000
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_Plain = str | int | float | bool | None


class Relay(logging.Handler):
    """Hands each record on as a `Line`."""

    def __init__(self, send: Callable[[Line], object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Raises nothing, as no handler does."""
        try:
            self._send(line_of(record))
        except Exception:  # a text that cannot be made, a worker that has gone
            self.handleError(record)


def line_of(record: logging.LogRecord) -> Line:
    """The record with its text made, since its arguments may be anything."""
    formatter = logging.Formatter()
    return Line(
        name=record.name,
        level=record.levelno,
        text=clean(record.getMessage(), _LONGEST),
        created=record.created,
        path=record.pathname,
        lineno=record.lineno,
        function=record.funcName,
        thread=record.threadName,
        traceback=clean(formatter.formatException(record.exc_info), _LONGEST) if record.exc_info else record.exc_text,
        more={name: value for name, value in vars(record).items() if name not in _USUAL and _is_plain(value)},
    )


def write(line: Line, pid: int) -> None:
    """Let the logger of that name write it, if it would write its own of that level."""
    logger = logging.getLogger(line.name)
    if not logger.isEnabledFor(line.level):
        return
    record = logging.makeLogRecord(
        {
            **line.more,
            "name": line.name,
            "levelno": line.level,
            "levelname": logging.getLevelName(line.level),
            "msg": line.text,
            "args": (),
            "created": line.created,
            "msecs": line.created % 1 * 1000,
            "pathname": line.path,
            "filename": line.path.rpartition("/")[2],
            "module": line.path.rpartition("/")[2].removesuffix(".py"),
            "lineno": line.lineno,
            "funcName": line.function,
            "threadName": line.thread,
            "exc_text": line.traceback,
            "process": pid,
        }
    )
    logbook.hear(record)
    logger.handle(record)


def levels() -> dict[str, int]:
    """The levels that have been set in this process, by the loggers' names; the root's name is empty."""
    loggers = {name: it for name, it in logging.root.manager.loggerDict.items() if isinstance(it, logging.Logger)}
    return {"": logging.root.level, **{name: it.level for name, it in loggers.items() if it.level}}


def relay_all(relay: Relay, wanted: dict[str, int]) -> None:
    """From now on everything that is logged here goes to `relay`, and nowhere else, at these levels."""
    known = [it for it in logging.root.manager.loggerDict.values() if isinstance(it, logging.Logger)]
    for logger in known:
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    logging.root.handlers[:] = [relay]
    for name, level in wanted.items():
        logging.getLogger(name or None).setLevel(level)


def _is_plain(value: object) -> TypeGuard[_Plain]:
    return value is None or isinstance(value, str | int | float)
