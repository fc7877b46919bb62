"""Numbers about a sample of tasks: how long they waited and ran, what ended when, which errors are alike. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterwards.tasks import State, Task

NOTHING = timedelta(0)
STEP = '  File "'  # how Python begins a step of a traceback


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the tasks of one name waited and ran; the median and the slowest of twenty."""

    name: str
    count: int
    failed: int
    wait: tuple[timedelta, timedelta] | None
    run: tuple[timedelta, timedelta] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What ended in one part of the time."""

    begins: datetime
    done: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Failures of one class at one place. `latest` is the newest of them."""

    kind: str
    place: str
    count: int
    first: datetime
    last: datetime
    functions: Sequence[str]
    latest: Task
    trend: Sequence[Slot]


def paces(tasks: Iterable[Task], by: Callable[[Task], str]) -> list[Pace]:
    """The most frequent first; tasks that have not started have only their number."""
    groups: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[by(task)].append(task)
    found = [_pace(name, its) for name, its in groups.items()]
    return sorted(found, key=lambda pace: (-pace.count, pace.name))


def _pace(name: str, tasks: Sequence[Task]) -> Pace:
    return Pace(
        name=name,
        count=len(tasks),
        failed=sum(task.state is State.FAILED for task in tasks),
        wait=_typical([length for task in tasks if (length := waited(task)) is not None]),
        run=_typical([length for task in tasks if (length := ran(task)) is not None]),
    )


def waited(task: Task) -> timedelta | None:
    """From the moment at which it could start until its last run did."""
    return None if task.started is None else max(task.started - max(task.added, min(task.due, task.started)), NOTHING)


def ran(task: Task) -> timedelta | None:
    """How long its last run took."""
    return None if task.started is None or task.ended is None else max(task.ended - task.started, NOTHING)


def waits(task: Task, now: datetime) -> timedelta | None:
    """How long it waited, or waits by now; None while it is not due."""
    if task.state is not State.WAITING:
        return waited(task)
    return max(now - max(task.added, task.due), NOTHING) if task.due <= now else None


def runs(task: Task, now: datetime) -> timedelta | None:
    """How long its last run took, or has taken by now; None where it waits."""
    if task.state is State.RUNNING and task.started is not None:
        return max(now - task.started, NOTHING)
    return None if task.state is State.WAITING else ran(task)


def _typical(lengths: Sequence[timedelta]) -> tuple[timedelta, timedelta] | None:
    if not lengths:
        return None
    ordered = sorted(lengths)
    return ordered[(len(ordered) - 1) // 2], ordered[-(-len(ordered) * 19 // 20) - 1]


def slots(tasks: Iterable[Task], *, since: datetime, now: datetime, count: int) -> list[Slot]:
    """The time from `since` to `now` in so many equal parts, with what ended in each."""
    length = max((now - since) / count, timedelta(microseconds=1))
    done, failed = [0] * count, [0] * count
    for task in tasks:
        if task.ended is not None and since <= task.ended <= now:
            number = min(int((task.ended - since) / length), count - 1)
            done[number] += task.state is State.DONE
            failed[number] += task.state is State.FAILED
    return [Slot(begins=since + number * length, done=done[number], failed=failed[number]) for number in range(count)]


def alike(failed: Iterable[Task], *, now: datetime) -> list[Alike]:
    """Grouped by the class of the error and the place where it was raised; the most frequent first."""
    groups: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in failed:
        if task.error is not None:
            groups[task.error.kind, place_of(task.error.traceback)].append(task)
    found = [_alike(kind, place, its, now) for (kind, place), its in groups.items()]
    return sorted(found, key=lambda group: (-group.count, group.kind))


def _alike(kind: str, place: str, tasks: Sequence[Task], now: datetime) -> Alike:
    ordered = sorted(tasks, key=lambda task: task.ended or task.added)
    first, last = (task.ended or task.added for task in (ordered[0], ordered[-1]))
    return Alike(
        kind=kind,
        place=place,
        count=len(tasks),
        first=first,
        last=last,
        functions=sorted({task.name for task in tasks}),
        latest=ordered[-1],
        trend=slots(tasks, since=min(first, now - timedelta(hours=1)), now=now, count=24),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One step of a traceback: where, and the line of code."""

    where: str
    code: str

    @property
    def is_foreign(self) -> bool:
        """It is in a library, and not in the app's own code."""
        return re.search(r"site-packages|dist-packages|/lib/python\d", self.where) is not None


def frames(traceback: str) -> list[Frame]:
    """The steps of a traceback, as Python writes it; none of a text that is none."""
    found: list[Frame] = []
    for line in traceback.splitlines():
        if line.startswith(STEP):
            found.append(Frame(where=line.strip().replace('File "', "", 1).replace('", line ', ":", 1), code=""))
        elif found and line.startswith("    "):
            found[-1] = Frame(where=found[-1].where, code=f"{found[-1].code}\n{line[4:]}".strip("\n"))
    return found


def place_of(traceback: str) -> str:
    """Where an error was raised."""
    steps = frames(traceback[max(traceback.rfind(f"\n{STEP}"), 0) :])  # of thousands only the last step is read
    return steps[-1].where if steps else ""
