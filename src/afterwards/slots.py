"""How much room a worker has, and which tasks may not start before their response was sent. Pure bookkeeping."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from afterwards.tasks import Claim, Task, TaskId

LONGEST_PARKED = 5.0  # seconds a claimed task waits for its response before other processes may have it
LONGEST_HELD = 3_600.0  # seconds after which nobody will say any more that a response has been sent


class Slots:
    """Counts what runs and what is promised against the worker's concurrency.

    What is parked takes no place, or a few slow downloads would keep everything else from running; it only stops the
    hand-off. Whether there is room for it is asked when its response is out.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._promised = 0
        self._running: dict[TaskId, Task] = {}
        self._unsent: dict[TaskId, float] = {}
        self._parked: dict[TaskId, tuple[Task, float]] = {}

    @property
    def room(self) -> int:
        """How many more tasks may be claimed."""
        return self._concurrency - len(self._running) - self._promised

    def is_idle(self) -> bool:
        """Nothing runs, nothing is promised, nothing waits for its response."""
        return not (self._running or self._promised or self._parked)

    @property
    def running(self) -> Sequence[Task]:
        """The tasks that run now."""
        return tuple(self._running.values())

    def claims(self) -> list[Claim]:
        """The runs that are here: they run, or wait for their response."""
        parked = (task for task, _ in self._parked.values())
        return [task.claim for task in (*self._running.values(), *parked)]

    def promise(self, count: int) -> bool:
        """Keep `count` places for an add that is on its way; False when there is no room for all."""
        if count > self.room - len(self._parked):
            return False
        self._promised += count
        return True

    def unpromise(self, count: int) -> None:
        """The add has answered."""
        self._promised -= count

    def hold_back(self, ids: Iterable[TaskId]) -> None:
        """None of these starts here before `let_go`: their response is still to be sent."""
        now = time.monotonic()
        self._unsent.update((task_id, now) for task_id in ids)

    def let_go(self, ids: Iterable[TaskId]) -> list[Task]:
        """The response is out; returns those that had been claimed meanwhile and may start now.

        `started`, by which their deadlines are judged, has moved on with the clock.
        """
        freed: list[Task] = []
        for task_id in ids:
            self._unsent.pop(task_id, None)
            parked = self._parked.pop(task_id, None)
            if parked is not None:
                freed.append(_moved_on(*parked))
        return freed

    def park(self, task: Task) -> bool:
        """Put the task aside if its response is still to be sent; False if it may start."""
        if task.id not in self._unsent:
            return False
        self._parked[task.id] = task, time.monotonic()
        return True

    def overdue(self) -> list[Task]:
        """Takes out the tasks that were parked for too long."""
        now = time.monotonic()
        self._unsent = {task_id: since for task_id, since in self._unsent.items() if now - since <= LONGEST_HELD}
        late = [task for task, since in self._parked.values() if now - since > LONGEST_PARKED]
        return self._unpark(late)

    def all_parked(self) -> list[Task]:
        """Takes out every parked task."""
        return self._unpark([task for task, _ in self._parked.values()])

    def begin(self, task: Task) -> bool:
        """The task runs from now on; False if this very worker still runs an older run of it."""
        if task.id in self._running:
            return False
        self._running[task.id] = task
        return True

    def end(self, task: Task) -> None:
        """The task runs no more."""
        self._running.pop(task.id, None)

    def runs_suspect(self) -> bool:
        """Whether a suspect runs or is parked."""
        return any(task.suspect for task in self._running.values()) or any(
            task.suspect for task, _ in self._parked.values()
        )

    def _unpark(self, tasks: list[Task]) -> list[Task]:
        for task in tasks:
            del self._parked[task.id]
        return tasks


def _moved_on(task: Task, since: float) -> Task:
    if task.deadline is None or task.started is None:
        return task
    return replace(task, started=task.started + timedelta(seconds=time.monotonic() - since))
