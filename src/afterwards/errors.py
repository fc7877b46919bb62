"""Every error of Afterwards, and what to do about it.

One base class, so that `except AfterwardsError` is enough; the class says what happened, the message says it for this
one time and ends with the way out. Errors of drivers never leave a store: they are mapped to these, `from` the cause.
"""

from __future__ import annotations

from uuid import UUID


class AfterwardsError(Exception):
    """What all errors of this package have in common."""


class CannotName(AfterwardsError):
    """The function has no name under which a worker could find it again: a lambda, a closure, a bound method.

    Move it to the top level of a module, or make it a static method.
    """


class CannotStore(AfterwardsError):
    """An argument would not come back from the store equal and of the same type. The message names the parameter."""


class CannotSolve(AfterwardsError):
    """A dependency of a task needs what only a request has. The message names the parameter that needs it.

    Pass what is needed as an argument of the task, or depend on something that needs no request.
    """


class CallTooLarge(CannotStore):
    """The stored form of a call is larger than `max_bytes`. Pass an id or a path instead of the content."""


class StoreUnavailable(AfterwardsError):
    """The store cannot be written now: away, locked, full or read-only. In a request the client gets 503."""


class StoreUnusable(StoreUnavailable):
    """No waiting would cure the store: a corrupt file, a schema too new, a network filesystem. Refused at start.

    If the store was away at the start and only then shows itself as such, it stays away until somebody cures it.
    """


class CannotMove(AfterwardsError):
    """Tasks cannot be carried from this store now: somebody works there. What was carried by then has arrived."""


class UnknownTask(AfterwardsError):
    """No task has this id: it never existed, or ended longer ago than `retention`."""

    def __init__(self, task_id: UUID) -> None:
        super().__init__(f"no task has the id {task_id}: it was never stored, or ended longer ago than the retention")
        self.id = task_id


class CannotJoinTransaction(AfterwardsError):
    """The given session or connection is not on the database of this store, or the store is not SQL."""


class TimedOut(AfterwardsError):
    """The task was still running after its `timeout`. A failure like others: `Retry(unless=(TimedOut,))` names it."""


class DeadlinePassed(AfterwardsError):
    """The task could not be started before its `deadline`, and never will be. It is the error that is kept with it."""


class LeaseLost(AfterwardsError):
    """The worker was believed dead while this run went on: another worker has the task now, this result is dropped."""


class UnsupportedFastAPI(AfterwardsError):
    """`adopt` found a FastAPI whose inside it does not know. Change the import instead, which needs no such thing."""


class UnsupportedURL(AfterwardsError):
    """The URL names no store that is known here, or one whose driver is not installed."""


class RequestEnded(AfterwardsError):
    """A task was added through a request's `BackgroundTasks` after that request had ended: use `afterwards.add`."""


class NotInstalled(AfterwardsError):
    """A request or call came to an app, or in a mode, for which no `Afterwards` was installed."""


class CannotIsolate(AfterwardsError):
    """An isolated function cannot be run in a process of its own: that cannot be started, or cannot import it."""


class ProcessDied(AfterwardsError):
    """The process in which an isolated task ran has ended under it: a segfault, `os._exit`, a kill.

    A failure like others, which spends an attempt, and the worker lives on: `Retry(unless=(ProcessDied,))` names it.
    """


class OutOfMemory(AfterwardsError):
    """An isolated task took more memory than its `max_memory`, and was killed."""
