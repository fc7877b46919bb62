"""Where the house tells whoever traces what is added, stored and run. Here it tells nobody; `traces.py` listens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias, cast, runtime_checkable

from afterwards.outcomes import Outcome
from afterwards.tasks import Call, Task

HowItEnded: TypeAlias = Callable[[Outcome], None]


@runtime_checkable
class Tracing(Protocol):
    """What is asked of whoever traces. It must be quick, may be asked in any thread, and never raises."""

    def added(self, call: Call) -> Call:
        """A call has been made, in the running context: the call to store, with its `trace`."""
        ...

    def storing(self, calls: Sequence[Call]) -> AbstractContextManager[object]:
        """Inside the block the calls are written, in the context that waits for it."""
        ...

    def running(self, task: Task) -> AbstractContextManager[HowItEnded]:
        """Inside the block the task runs; what the block gets is told the outcome, unless the run is interrupted."""
        ...


def _tell_nobody(outcome: Outcome) -> None: ...


UNTRACED_WRITE: AbstractContextManager[object] = nullcontext()
_UNTRACED_RUN: AbstractContextManager[HowItEnded] = nullcontext(_tell_nobody)  # all share them: they keep nothing


class Untraced:
    """Nobody traces."""

    def added(self, call: Call) -> Call:
        return call

    def storing(self, calls: Sequence[Call]) -> AbstractContextManager[object]:
        return UNTRACED_WRITE

    def running(self, task: Task) -> AbstractContextManager[HowItEnded]:
        return _UNTRACED_RUN


UNTRACED = Untraced()

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id(stored: str | None) -> str | None:
    """In which trace a task was added, by what is stored with it; None where that says nothing in the usual words."""
    try:
        carrier: object = json.loads(stored or "null")
    except ValueError:
        return None
    if not isinstance(carrier, dict):
        return None
    found = _TRACEPARENT.match(str(cast("dict[str, object]", carrier).get("traceparent")))
    return found[1] if found else None
