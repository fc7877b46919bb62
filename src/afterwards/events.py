"""What the house says aloud, and to whom.

Code speaks events; ears hear them: logs, traces, tests. An ear is called at once, in the speaker's thread, and must be
quick. Nothing is formatted unless somebody hears it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from afterwards.outcomes import Outcome
from afterwards.tasks import Claim, Task, TaskId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has become true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOpened(Event):
    """The store is ready. `worker` says whether a worker runs in this process; `warnings` what is unsafe."""

    description: str
    worker: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAway(Event):
    """The store did not answer or refused; it is tried again."""

    doing: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBack(Event):
    """The store answers again."""

    doing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksAdded(Event):
    """Calls have been stored."""

    ids: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Event):
    """A run begins in this process."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(Event):
    """A run ended in this process; whether it could be settled is said apart."""

    task: Task
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAfterDone(Event):
    """A task raised after a transaction of its own had settled it: it stays done, and nothing tries it again."""

    task: Task
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResists(Event):
    """The worker has stopped but for this task, which does not end when it is cancelled: only a kill will end it."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOverruns(Event):
    """A task goes on after its timeout: in a thread, which nothing stops, or deaf to its cancellation.

    It keeps its place until it ends; it counts as timed out, and is not tried again before that.
    """

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksRescued(Event):
    """Tasks of workers that are gone wait again; or are cancelled, if they were asked to stop; or failed as poison."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsDropped(Event):
    """These runs had lost their claim before they were settled; another worker has the tasks."""

    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsStrayed(Event):
    """The store believes that this worker runs these, which it does not: the store forgot how they ended.

    They are given back, and run again.
    """

    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseWasLost(Event):
    """The worker was believed dead; it cancels what it runs and signs on anew."""

    worker: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(Event):
    """A worker has signed on."""

    worker: WorkerId
    queues: tuple[str, ...] | None
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStopped(Event):
    """A worker has signed off; `abandoned` tasks still run in threads that nothing can stop."""

    worker: WorkerId
    abandoned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAddFailed(Event):
    """Tasks added after the response had begun could not be stored: no status could say so any more."""

    ids: tuple[TaskId, ...]
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyWorks(Event):
    """Tasks are stored, but the app has no lifespan here, so that no worker runs in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RanLocally(Event):
    """A function that cannot be named runs after the response in this process, not durably."""

    function: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTaskFailed(Event):
    """A function that ran locally raised; nothing tries it again."""

    function: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailed(Event):
    """A function that was to be called after a task had failed for good raised, or took too long, or was cut short."""

    task: Task
    hook: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered(Event):
    """A person has done something at a door of this process: `verb`, to what (ids or a name), and `by` whom."""

    verb: str
    subjects: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFailed(Event):
    """One round of a keeper's loop failed unexpectedly; it backs off and goes on."""

    loop: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class EarFailed(Event):
    """A listener raised and is not called any more."""

    ear: str
    error: BaseException


Ear = Callable[[Event], None]


class Events:
    """Carries events to the ears of this process."""

    def __init__(self) -> None:
        self._ears: list[tuple[Ear, tuple[type[Event], ...]]] = []
        self._by_kind: dict[type[Event], tuple[Ear, ...]] = {}

    def hear(self, ear: Ear, *kinds: type[Event]) -> Callable[[], None]:
        """Call `ear` from now on with every event, or with those of these kinds; returns what stops it."""
        listener = ear, kinds
        self._ears.append(listener)
        self._by_kind = {}
        return lambda: self._leave_out(listener)

    def heard(self, kind: type[Event]) -> bool:
        """Whether anybody hears events of this kind; else none need be made, where they are many."""
        return bool(self._ears_for(kind))

    def say(self, event: Event) -> None:
        """Tell every ear. One that raises is left out from then on, and the others are told so."""
        for ear in self._ears_for(type(event)):
            try:
                ear(event)
            except Exception as error:  # an ear must never stop the house
                for listener in [listener for listener in self._ears if listener[0] is ear]:
                    self._leave_out(listener)
                self.say(EarFailed(ear=repr(ear), error=error))

    def _ears_for(self, kind: type[Event]) -> tuple[Ear, ...]:
        by_kind = self._by_kind  # if others change the ears meanwhile, what is found goes with the old dict
        ears = by_kind.get(kind)
        if ears is None:
            listeners = tuple(self._ears)
            ears = by_kind[kind] = tuple(ear for ear, kinds in listeners if not kinds or issubclass(kind, kinds))
        return ears

    def _leave_out(self, listener: tuple[Ear, tuple[type[Event], ...]]) -> None:
        with contextlib.suppress(ValueError):  # another thread was faster
            self._ears.remove(listener)
        self._by_kind = {}


class Presence:
    """Says once that the store is away from somebody who needs it, or is unusable, and once that it is back."""

    def __init__(self, events: Events, doing: str) -> None:
        self._events = events
        self._doing = doing
        self._away: type[BaseException] | None = None

    def away(self, error: BaseException) -> None:
        """It did not answer, or answered that it cannot be used."""
        if self._away is not type(error):
            self._away = type(error)
            self._events.say(StoreAway(doing=self._doing, error=error))

    def back(self) -> None:
        """It has answered."""
        if self._away is not None:
            self._away = None
            self._events.say(StoreBack(doing=self._doing))
