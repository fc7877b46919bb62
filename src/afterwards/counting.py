"""Counts what happens in this process, for the tallies of its workers. Writes nothing.

Counting is cheap, since it is done for every run: a few additions. What they come to is worked out in the keeper's
thread, each time that it renews.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta

from afterwards import forks, stored
from afterwards.events import (
    ClaimsStrayed,
    Event,
    Events,
    LateAddFailed,
    LeaseWasLost,
    LoopFailed,
    ResultsDropped,
    StoreAway,
    TaskEnded,
    TaskOverruns,
    TasksRescued,
)
from afterwards.lag import LoopLag
from afterwards.outcomes import Ending
from afterwards.tallies import LAG, RUN, WAIT, Counts, Kind, Names, RunCounts, Sizes, Tally, added_up
from afterwards.tasks import Task

_COUNTED = (
    ClaimsStrayed,
    LateAddFailed,
    LeaseWasLost,
    LoopFailed,
    ResultsDropped,
    StoreAway,
    TaskOverruns,
    TasksRescued,
)
_NEVER_BEGAN = (Ending.RETURNED, Ending.UNKNOWN)


@dataclass(slots=True)
class _Runs:
    """Of one kind."""

    first: int
    endings: defaultdict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))
    ran: Sizes = field(default_factory=Sizes)
    waited: Sizes = field(default_factory=Sizes)

    def told(self) -> RunCounts:
        return RunCounts(first=self.first, counts={**self.endings, **RUN.told(self.ran), **WAIT.told(self.waited)})


@dataclass(slots=True)
class _Counted:
    """Since somebody took it."""

    runs: dict[Kind, _Runs] = field(default_factory=dict[Kind, _Runs])
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))
    lag: Sizes = field(default_factory=Sizes)


class Counting:
    """Hears what happens in this process; each worker takes what came since somebody took."""

    def __init__(self, events: Events) -> None:
        self._lost_leases = 0
        self._lock, self._names, self._counted = threading.Lock(), Names(), _Counted()
        events.hear(self._count_run, TaskEnded)
        events.hear(self._count, *_COUNTED)
        forks.watch(self)

    @property
    def lost_leases(self) -> int:
        """How often a worker of this process was believed dead."""
        return self._lost_leases

    def note_lag(self, lag: timedelta) -> None:
        """The event loop was so late."""
        with self._lock:
            self._counted.lag.add(lag)

    def take(self) -> Tally:
        """What was counted since this was asked for last: it is the caller's to keep."""
        with self._lock:
            counted, self._counted = self._counted, _Counted()
        runs = {kind: its.told() for kind, its in counted.runs.items()}
        return Tally(runs=runs, counts={**counted.counts, **LAG.told(counted.lag)})

    def before_fork(self) -> None:
        """Nothing."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """What was counted is the parent's to tell; and somebody there may have had the lock."""
        self._lock, self._counted = threading.Lock(), _Counted()

    def _count_run(self, event: Event) -> None:
        """For every run: so nothing is asked or called here that need not be."""
        assert isinstance(event, TaskEnded)
        task, outcome = event.task, event.outcome
        due = task.due if task.due is task.added else max(task.due, task.added)
        with self._lock:
            runs = self._counted.runs.get((task.name, task.queue)) or self._runs_of(task)
            runs.endings[outcome.ending] += 1
            if task.started is not None and outcome.ending not in _NEVER_BEGAN:
                runs.waited.add(task.started - due)
            if outcome.took:
                runs.ran.add(outcome.took)

    def _runs_of(self, task: Task) -> _Runs:
        kind = self._names.of((task.name, task.queue))
        runs = self._counted.runs.get(kind)
        if runs is None:
            runs = self._counted.runs[kind] = _Runs(stored.microseconds_at(task.started or task.due))
        return runs

    def _count(self, event: Event) -> None:
        with self._lock:
            for name, number in _counts_of(event).items():
                self._counted.counts[name] += number
            self._lost_leases += isinstance(event, LeaseWasLost)


def _counts_of(event: Event) -> Counts:
    """What there is to count, and under which names."""
    match event:
        case TasksRescued():
            return Counter(f"rescued_tasks:{task.state}" for task in event.tasks)
        case ResultsDropped():
            return {"dropped_results": len(event.claims)}
        case ClaimsStrayed():
            return {"strayed_claims": len(event.claims)}
        case LateAddFailed():
            return {"failed_late_adds": len(event.ids)}
        case StoreAway():
            return {f"store_outages:{event.doing}": 1}
        case LoopFailed():
            return {f"loop_errors:{event.loop}": 1}
        case LeaseWasLost():
            return {"lost_leases": 1}
        case TaskOverruns():
            return {"overruns": 1}
        case _:
            return {}


class Sheet:
    """All that a worker has counted since it signed on, and how it is now."""

    def __init__(self, counting: Counting, loop: asyncio.AbstractEventLoop) -> None:
        self._counting = counting
        self._lag = LoopLag(loop, counting.note_lag)
        self._total = Tally()

    def look(self) -> None:
        """How late is the loop? From another thread."""
        self._lag.ask()

    def tally(self) -> Tally:
        """All of it, to be written. By one thread at a time."""
        self._total = added_up([self._total, self._counting.take()])
        vitals = {"lag": stored.microseconds(self._lag.longest()), "lost_leases": self._counting.lost_leases}
        return replace(self._total, vitals=vitals)
