"""Afterwards makes FastAPI's background tasks survive.

Example:
    >>> from fastapi import FastAPI
    >>> from afterwards import Afterwards, BackgroundTasks
    >>> app = FastAPI()
    >>> afterwards = Afterwards(app)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterwards.annotations import SOLVED, Former
from afterwards.app import Afterwards
from afterwards.batch import TaskHandle
from afterwards.chains import Chain, Chained, Group, Step, call
from afterwards.current import CurrentTask, current_task
from afterwards.errors import (
    AfterwardsError,
    CallTooLarge,
    CannotIsolate,
    CannotJoinTransaction,
    CannotName,
    CannotSolve,
    CannotStore,
    DeadlinePassed,
    LeaseLost,
    NotInstalled,
    OutOfMemory,
    ProcessDied,
    RequestEnded,
    StoreUnavailable,
    StoreUnusable,
    TimedOut,
    UnknownTask,
    UnsupportedFastAPI,
    UnsupportedURL,
)
from afterwards.log_fields import JSONLogFormatter, TaskLogFilter
from afterwards.retries import Again, Retry, Stop
from afterwards.schedules import Schedule
from afterwards.tasks import Census, Failure, LogLine, Progress, State, Task, Try, TryEnding
from afterwards.track import track
from afterwards.visitors import Visitor

if TYPE_CHECKING:
    from afterwards.fastapi import BackgroundTasks

__all__ = [
    "SOLVED",
    "Afterwards",
    "AfterwardsError",
    "Again",
    "BackgroundTasks",
    "CallTooLarge",
    "CannotIsolate",
    "CannotJoinTransaction",
    "CannotName",
    "CannotSolve",
    "CannotStore",
    "Census",
    "Chain",
    "Chained",
    "CurrentTask",
    "DeadlinePassed",
    "Failure",
    "Former",
    "Group",
    "JSONLogFormatter",
    "LeaseLost",
    "LogLine",
    "NotInstalled",
    "OutOfMemory",
    "ProcessDied",
    "Progress",
    "RequestEnded",
    "Retry",
    "Schedule",
    "State",
    "Step",
    "Stop",
    "StoreUnavailable",
    "StoreUnusable",
    "Task",
    "TaskHandle",
    "TaskLogFilter",
    "TimedOut",
    "Try",
    "TryEnding",
    "UnknownTask",
    "UnsupportedFastAPI",
    "UnsupportedURL",
    "Visitor",
    "call",
    "current_task",
    "track",
]


def __getattr__(name: str) -> object:
    """FastAPI's own names come when they are asked for, so that Starlette apps and workers need no FastAPI."""
    if name == "BackgroundTasks":
        from afterwards.fastapi import BackgroundTasks

        return BackgroundTasks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
