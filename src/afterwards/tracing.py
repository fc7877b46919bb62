"""Where the house tells whoever traces what is added, stored and run. Here it tells nobody; `traces.py` listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias, runtime_checkable

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
