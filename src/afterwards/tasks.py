"""The nouns: what is added, stored, claimed, searched and counted. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from afterwards.links import Link
from afterwards.quotas import Quota
from afterwards.retries import Retry

TaskId = UUID
WorkerId = NewType("WorkerId", str)
Bookmark = NewType("Bookmark", str)  # where a search goes on, in a store's own words; it outlives the tasks around it

DEFAULT_QUEUE = "default"
DEFAULT_PRIORITY = 5
NO_DELAY = timedelta(0)
LONGEST_KEY = 255  # characters: as many as the index of every store takes
MOST_TRIES = 20


class State(StrEnum):
    """Where a task is: `waiting → running → done | failed | cancelled`. A delayed or retried task is waiting."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Nothing more happens to it, unless a person retries it."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class Hold(StrEnum):
    """Why a waiting task may not be claimed yet."""

    AFTER = "after"  # the task before it in its request has not run yet, or one that it needs has not ended
    UNKNOWN = "unknown"  # no worker that looked knows its function
    LIMIT = "limit"  # as many run as may
    RATE = "rate"  # as many have begun as may


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as it is kept: `kind` is its class, `message` its text, `traceback` where it happened."""

    kind: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task is: `done` of `of`, which is None where nobody knows how much there is; and what it says."""

    done: float
    of: float | None = None
    say: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a task has logged: when, how grave, by the logger of which name, and what, with its traceback."""

    at: datetime
    level: str
    logger: str
    text: str


class TryEnding(StrEnum):
    """How a try ended."""

    FAILED = "failed"  # it raised, or took too long; if it was the last, a person has let the task wait again
    AGAIN = "again"  # it asked for a later one; no attempt spent
    CRASHED = "crashed"  # its process died; no attempt spent
    DONE = "done"  # a person has let the task run once more
    CANCELLED = "cancelled"  # the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A run of a task before its last: `attempt` and `run` as they were then, when it `started` and `ended`, and how.

    It is the `number`th of its task, counted from 1: that of the oldest says how many before it are not kept any more.
    One that crashed ended when that was noticed. `error` is what it failed with: no traceback, and of the message the
    first 500 characters, the last of them `…` if it was longer.
    """

    number: int
    run: int
    attempt: int
    started: datetime
    ended: datetime
    ending: TryEnding
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeps:
    """What of a run is kept, as it was said at the call; None leaves it to the function's own options."""

    result: bool | None = None
    logs: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function's name with its arguments and options, not yet stored.

    `arguments` is JSON text. `delay` counts from the moment of storing, by the store's clock; `due` is an instant that
    the user gave, and wins. `after` is the id of the call before it in its request's line. `crashes` is how many dead
    processes the task is allowed; `retry`, `timeout` and `keeps` are set only when they were given at the call. After
    its `deadline` the task is not started: an instant, or how long after the moment of storing. `trace` comes back with
    the task: where it was added, in the words of whoever traces. By `limit_key` the quota of its function
    counts it.

    Of the calls of one function under one `key`, one is a task at a time: it holds the key until it has ended, and for
    `unique_for` after that. With `replace` it takes the place of one that waits.

    A step of a chain has a `link`, and no key. If it needs others, `after` is the last of those: they come in the same
    write, before it.
    """

    id: TaskId
    name: str
    arguments: str
    queue: str = DEFAULT_QUEUE
    priority: int = DEFAULT_PRIORITY
    delay: timedelta = NO_DELAY
    due: datetime | None = None
    after: TaskId | None = None
    crashes: int = 3
    retry: Retry | None = None
    timeout: timedelta | None = None
    deadline: datetime | timedelta | None = None
    trace: str | None = None
    key: str | None = None
    unique_for: timedelta | None = None
    replace: bool = False
    keeps: Keeps | None = None
    limit_key: str = ""
    link: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's ownership of one run: what every later write about that run is fenced by."""

    id: TaskId
    run: int
    worker: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How far one run is, on its way to the store."""

    claim: Claim
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A stored call, as it stood when it was read. Instants are aware and in UTC.

    `attempt` counts tries from 1 (0: never tried), `run` counts claims and never goes back, `crashes` counts the
    processes that died under it, of `crashes_allowed`. `turn_over`: nobody is held after it any more. `returned` is
    what its function returned, as JSON text, if that is kept; `result` is the value itself, where an `Afterwards` gives
    the task, and None where a store does. `logs` are the lines that it logged, if they are kept. `twins` are its other
    names, the ids of calls that found it under their key; only `hand_over` tells them. `limited`: its
    last run was claimed under a quota, which counts it.

    `tries` are the runs after which it waited again, the oldest first, and the newest 20 of them; a run that was given
    back is none. What `started`, `ended` and `error` say is of the last run, be it one of them or not. A worker gets
    its tasks without.
    """

    id: TaskId
    name: str
    arguments: str
    state: State
    queue: str
    priority: int
    due: datetime
    added: datetime
    held: Hold | None = None
    after: TaskId | None = None
    attempt: int = 0
    run: int = 0
    crashes: int = 0
    crashes_allowed: int = 3
    suspect: bool = False
    turn_over: bool = False
    worker: WorkerId | None = None
    started: datetime | None = None
    ended: datetime | None = None
    error: Failure | None = None
    returned: str | None = None
    result: Any = None
    progress: Progress | None = None
    logs: tuple[LogLine, ...] = ()
    key: str | None = None
    stop_asked: bool = False
    retry: Retry | None = None
    timeout: timedelta | None = None
    deadline: datetime | None = None
    trace: str | None = None
    unique_for: timedelta | None = None
    twins: tuple[TaskId, ...] = ()
    keeps: Keeps | None = None
    limit_key: str = ""
    limited: bool = False
    link: Link | None = None
    tries: tuple[Try, ...] = ()

    @property
    def claim(self) -> Claim:
        """The fence of its current run; only a running task has one."""
        if self.worker is None:
            raise ValueError(f"task {self.id} is not running, so nobody has claimed it")
        return Claim(id=self.id, run=self.run, worker=self.worker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one call: `id` is the task's id, `claimed` the task itself when the adder claimed it at once.

    The id is another than the call's when the call is a twin of a task that held its key.
    """

    id: TaskId
    claimed: Task | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one settling did: the claims that still held, and the followers it freed and claimed for the settler."""

    held: list[Claim]
    claimed: list[Task]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCard:
    """How a worker signs on. `host` tells hosts apart (token and boot id); `queues` is None when it serves all.

    `functions` are the names it knows by decorator; other names are found by import when they come. `quotas` are what
    its code declares.
    """

    id: WorkerId
    host: str
    pid: int
    label: str
    lease: timedelta
    queues: tuple[str, ...] | None = None
    functions: tuple[str, ...] = ()
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Where the runs under one quota are counted: those of one key of its function, or all of its queue."""

    quota: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOn:
    """A worker as the store knows it. `expires` is when it is believed dead unless it renews; by the store's clock."""

    id: WorkerId
    host: str
    pid: int
    label: str
    signed_on: datetime
    expires: datetime
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """The store's answer to a worker that renewed: `lost` when it was believed dead meanwhile; the store's `now`."""

    lost: bool
    now: datetime


class Woken(StrEnum):
    """Why a wait ended."""

    READY = "ready"  # something may be claimable now
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for; None does not narrow.

    `error` is the class of the last error, as `Failure.kind` has it: with a dot in it the whole name, without one the
    class of this name in whichever module. `key` finds who holds it and who held it. Added when, is said by two aware
    instants: at `added_after` or later, and earlier than `added_before`.
    """

    ids: tuple[TaskId, ...] | None = None
    state: State | None = None
    queue: str | None = None
    name: str | None = None
    error: str | None = None
    key: str | None = None
    added_after: datetime | None = None
    added_before: datetime | None = None

    def among(self, states: Iterable[State]) -> tuple[State, ...]:
        """Of these states those in which it looks."""
        return tuple(state for state in states if self.state in (None, state))

    @property
    def error_ending(self) -> str | None:
        """How the whole name of its error may end, where only the bare one is asked for."""
        return None if self.error is None or "." in self.error else f".{self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """The ids of some tasks that match a search, the newest first; and where it goes on, None at the end."""

    ids: list[TaskId]
    next: Bookmark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How many tasks there are, and who works. `waiting_due` counts the due tasks that wait for nothing but a turn.

    That is for room in a worker, or at a quota; not for another task, a function that nobody knows, a paused queue.

    `oldest_due` says of each queue since when the first task has been due of those that wait for room in a worker.
    """

    now: datetime
    by_state: Mapping[State, int] = field(default_factory=dict[State, int])
    waiting_by_queue: Mapping[str, int] = field(default_factory=dict[str, int])
    held: Mapping[Hold, int] = field(default_factory=dict[Hold, int])
    unknown_names: tuple[str, ...] = ()
    waiting_due: int = 0
    oldest_due: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    workers: tuple[SignedOn, ...] = ()
    paused: tuple[str, ...] = ()
