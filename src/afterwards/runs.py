"""What runs here now, and why some of it was interrupted. Decides nothing about what is claimed, writes nothing."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial

from afterwards import outcomes
from afterwards.events import Events, TaskEnded, TaskOverruns, TaskResists
from afterwards.hooks import FailureHooks
from afterwards.notes import Notes
from afterwards.outcomes import Ending, Outcome
from afterwards.runner import Runner
from afterwards.slots import Slots
from afterwards.tasks import Claim, Task, TaskId

_CANCEL_AGAIN, _ROUNDS = 1.0, 3
_FAILURES = (Ending.FAILED, Ending.RETRIED)


class Why(StrEnum):
    """Why a run was interrupted."""

    CANCELLED = "cancelled"
    STOPPING = "stopping"
    LOST = "lost"


class Runs:
    """One asyncio task for each run; `ended` gets each task with its outcome, None when there is nothing to settle."""

    def __init__(
        self,
        runner: Runner,
        slots: Slots,
        events: Events,
        failure_hooks: FailureHooks,
        notes: Notes,
        *,
        ended: Callable[[Task, Outcome | None], None],
    ) -> None:
        self._failure_hooks, self._notes = failure_hooks, notes
        self._runner, self._slots, self._events, self._tell = runner, slots, events, ended
        self._running: dict[TaskId, asyncio.Task[Outcome]] = {}
        self._why: dict[TaskId, Why] = {}
        self._told = set[TaskId]()  # failed for good, and the hooks hear of it now
        self._timed_out = set[TaskId]()  # recorded as failed, and running all the same

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, task: Task, group: asyncio.TaskGroup, context: contextvars.Context) -> bool:
        """Run the task in `group`; False if an older run of it is still here, in a thread whose lease was lost."""
        if not self._slots.begin(task):
            return False
        self._notes.begin(task)
        run = group.create_task(self._run(task, group), context=context)
        self._running[task.id] = run
        run.add_done_callback(partial(self._ended, task))
        return True

    async def _run(self, task: Task, group: asyncio.TaskGroup) -> Outcome:
        outcome = await self._runner.run(task, overran=partial(self._overran, task, group))
        if outcome.ending is Ending.FAILED and task.id not in self._timed_out and task.id not in self._why:
            self._told.add(task.id)  # before it is settled: a crash in between tells once more, and never not at all
            await self._failure_hooks.tell(task, outcome.error)
        return outcome

    def stop(self, claims: Sequence[Claim]) -> None:
        """A person asked these to stop."""
        asked = set(claims)
        for task in self._slots.running:
            if task.claim in asked and task.id not in self._why:
                self._interrupt(task.id, Why.CANCELLED)

    def drop(self) -> None:
        """Others have these tasks now: whatever comes of them here is nothing."""
        for task_id in tuple(self._running):
            self._interrupt(task_id, Why.LOST)

    async def finish(self, grace: timedelta) -> None:
        """Wait for what runs, at most `grace`, then interrupt it; give up on what has not ended after a few rounds."""
        await self._wait(grace.total_seconds())
        for _ in range(_ROUNDS):
            for task_id in tuple(self._running):
                self._interrupt(task_id, Why.STOPPING)
            await self._wait(_CANCEL_AGAIN)
        for task in self._slots.running:
            if task.id in self._running:
                self._events.say(TaskResists(task=task))

    async def _wait(self, seconds: float) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=seconds)

    def _interrupt(self, task_id: TaskId, why: Why) -> None:
        self._runner.ask_to_stop(task_id)
        if why is not Why.STOPPING and task_id in self._runner.in_threads:
            return  # nothing stops a thread: it keeps its place until it ends
        if why is Why.CANCELLED and task_id in self._told:
            return  # it has ended
        self._why[task_id] = why
        self._running[task_id].cancel()

    def _ended(self, task: Task, run: asyncio.Task[Outcome]) -> None:
        del self._running[task.id]
        self._slots.end(task)
        outcome = self._outcome(task, run, self._why.pop(task.id, None) if self._why else None)
        if self._told:
            self._told.discard(task.id)
        if self._timed_out and task.id in self._timed_out:  # whatever came of it later settles nothing
            self._timed_out.discard(task.id)
            outcome = None
        self._ended_with(task, outcome)
        self._notes.end(task)

    def _overran(self, task: Task, group: asyncio.TaskGroup, outcome: Outcome | None) -> None:
        """It goes on after its timeout. If no try follows, that is settled now; else its end has to be awaited.

        So it has to where a quota counts it: the next may not begin beside it.
        """
        self._events.say(TaskOverruns(task=task))
        if task.limited or task.id in self._why:
            return
        if outcome is not None and outcome.ending is Ending.FAILED:
            self._timed_out.add(task.id)
            group.create_task(self._failure_hooks.tell(task, outcome.error))
            self._ended_with(task, outcome)

    def _ended_with(self, task: Task, outcome: Outcome | None) -> None:
        outcome = outcome and self._notes.complete(task, outcome)
        if outcome is not None and self._events.heard(TaskEnded):
            self._events.say(TaskEnded(task=task, outcome=outcome))
        self._tell(task, None if outcome is not None and outcome.settled else outcome)

    def _outcome(self, task: Task, run: asyncio.Task[Outcome], why: Why | None) -> Outcome | None:
        """What was interrupted counts as that, also where its clean-up made another error of the CancelledError."""
        outcome = None if run.cancelled() else run.result()
        if why is Why.LOST:
            return None
        if why is None and outcome is None:
            return self._runner.cancelled_itself(task)
        if outcome is not None and (why is None or outcome.ending not in _FAILURES or task.id in self._told):
            return outcome
        if why is Why.CANCELLED:
            return outcomes.cancelled(task.claim)
        return None if task.id in self._runner.in_threads else outcomes.returned(task.claim)
