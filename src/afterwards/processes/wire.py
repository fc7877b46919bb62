"""What a worker and its processes say to each other, as frames of JSON on a socket. Both ends are of one version."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from afterwards.outcomes import Outcome
from afterwards.retries import Retry, retry_as_json, retry_from_json
from afterwards.tasks import Call, Progress, Task

_LENGTH = struct.Struct("!I")
LENGTH_BYTES = _LENGTH.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """To a new process: import these modules; `levels` are those of the worker's loggers, by name."""

    modules: tuple[str, ...]
    levels: dict[str, int]
    says: Literal["begin"] = "begin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run this task, whose function is isolated by the module `module`, by the `Afterwards` with the store `url`."""

    task: Task
    module: str
    url: str
    says: Literal["run"] = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel what runs; soon afterwards it is killed."""

    says: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Say where the code that runs is."""

    says: Literal["where"] = "where"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The modules have been imported, as far as they can be."""

    says: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the run ended; None if it was cancelled."""

    outcome: Outcome | None
    says: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The task cannot be run here at all, and why."""

    text: str
    says: Literal["trouble"] = "trouble"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantsDone:
    """The task asks a transaction of its own to settle it."""

    says: Literal["wants done"] = "wants done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How far the task says it is."""

    progress: Progress
    says: Literal["told"] = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Where the code is that runs, as in a traceback."""

    text: str
    says: Literal["frames"] = "frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A record that was logged there, its text made; `more` is what came by `extra=`, as far as it is plain."""

    name: str
    level: int
    text: str
    created: float
    path: str
    lineno: int
    function: str | None
    thread: str | None
    traceback: str | None
    more: dict[str, str | int | float | bool | None]
    says: Literal["line"] = "line"


Said = Begin | Run | Cancel | Where | Ready | Ended | Trouble | WantsDone | Told | Frames | Line


@cache
def _form() -> TypeAdapter[Said]:
    """Made when it is first needed: most apps isolate nothing."""
    return TypeAdapter(Annotated[Said, Field(discriminator="says")])


def frame(said: Said) -> bytes:
    """The bytes to send."""
    body = _form().dump_json(_plain(said))
    return _LENGTH.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """How long the body is that follows these `LENGTH_BYTES`."""
    return int(_LENGTH.unpack(head)[0])


def said_in(body: bytes) -> Said:
    """What was said."""
    return _form().validate_json(body)


async def heard(reader: asyncio.StreamReader) -> Said:
    """What is said next. Raises IncompleteReadError when the other end has gone, ConnectionError."""
    head = await reader.readexactly(LENGTH_BYTES)
    return said_in(await reader.readexactly(length_of(head)))


def _plain(said: Said) -> Said:
    """Policies name their error classes: a class itself cannot be said."""
    match said:
        case Run(task=task):
            return replace(said, task=replace(task, retry=_named(task.retry)))
        case Ended(outcome=Outcome() as outcome):
            return replace(said, outcome=replace(outcome, calls=tuple(_with_names(call) for call in outcome.calls)))
        case _:
            return said


def _with_names(call: Call) -> Call:
    return replace(call, retry=_named(call.retry))


def _named(retry: Retry | None) -> Retry | None:
    return None if retry is None else retry_from_json(retry_as_json(retry))
