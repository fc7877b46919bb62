"""What running tasks tell before they end, for their outcomes and for the store: how far they are, what they log.

From whichever thread. Writes nothing itself.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from afterwards.logbook import Logbook
from afterwards.outcomes import Outcome
from afterwards.tasks import Claim, Note, Progress, Task, TaskId


@dataclass(slots=True)
class _Running:
    """What one run has told."""

    claim: Claim
    progress: Progress | None = None
    logbook: Logbook | None = None


class Notes:
    """What the tasks of one worker tell between their beginning and their end; anything else is not heard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[TaskId, _Running] = {}
        self._unwritten: dict[TaskId, _Running] = {}

    def begin(self, task: Task) -> None:
        """From now on it is heard."""
        self._running[task.id] = _Running(task.claim)

    def put(self, task: Task, progress: Progress) -> None:
        """It has come so far. A run that is over, in a thread that goes on, is not heard."""
        with self._lock:
            its = self._running.get(task.id)
            if its is not None and its.claim.run == task.run:
                its.progress = progress
                self._unwritten[task.id] = its

    def take(self) -> list[Note]:
        """How far those are that have said so since this was asked for last."""
        if not self._unwritten:
            return []
        with self._lock:
            unwritten, self._unwritten = self._unwritten, {}
        said = ((its.claim, its.progress) for its in unwritten.values())
        return [Note(claim=claim, progress=progress) for claim, progress in said if progress is not None]

    def progress(self, task: Task) -> Progress | None:
        """How far it has come, if it has said so."""
        its = self._running.get(task.id)
        return None if its is None else its.progress

    @contextmanager
    def logging(self, task: Task) -> Generator[None]:
        """What is logged inside the block goes with its outcome, if it is heard."""
        its = self._running.get(task.id)
        if its is None:
            yield
            return
        its.logbook = Logbook()
        with its.logbook.open():
            yield

    def complete(self, task: Task, outcome: Outcome) -> Outcome:
        """The outcome with what it has told."""
        its = self._running.get(task.id)
        if its is None or (its.progress is None and its.logbook is None):
            return outcome
        logs = None if its.logbook is None else its.logbook.lines()
        return replace(outcome, progress=outcome.progress or its.progress, logs=logs)

    def end(self, task: Task) -> None:
        """Its run is over, and it is not heard any more."""
        with self._lock:
            self._running.pop(task.id, None)
            if self._unwritten:
                self._unwritten.pop(task.id, None)
