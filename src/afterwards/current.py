"""The task in which code runs, as that code asks for it. Public; what it does is handed to it by the runner."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from numbers import Integral, Real

from afterwards.done_in import DoneIn
from afterwards.tasks import Progress, Task, TaskId
from afterwards.transactions import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentTask:
    """The task in which the calling code runs.

    `id` is its id, `name` its function's name, `attempt` the number of this try from 1, and `run` the fencing number:
    it grows with every claim, so that a system outside can refuse what a slower, older run still sends it.
    """

    id: TaskId
    name: str
    attempt: int
    run: int
    _done_in: DoneIn | None = field(default=None, repr=False, compare=False)
    _say: Callable[[Progress], None] | None = field(default=None, repr=False, compare=False)
    _is_asked: Callable[[], bool] | None = field(default=None, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether this run is wanted to stop: a person has cancelled it, its timeout or its worker's time is over.

        For `def` functions in threads, which nothing else can stop: look at it now and then, and raise to give up. Of
        a cancelled task any error counts as its cancellation that would be tried again; what returns is done.

        Example:
            `if current_task().cancelled: raise InterruptedError("asked to stop")`
        """
        return self._is_asked is not None and self._is_asked()

    def progress(self, done: float, *, of: float | None = None, say: str = "") -> None:
        """Tell how far this task is: `done` of `of`, and what it is at; from any thread.

        Cheap, and it never waits: the newest is written about twice a second, and the last one with the outcome. A
        long text is cut. Raises ValueError for what is no number, or below 0.

        Example:
            `current_task().progress(3, of=10, say="reading page 3")`
        """
        progress = Progress(done=_amount(done, "done"), of=None if of is None else _amount(of, "of"), say=_cut(say))
        if self._say is not None:
            self._say(progress)

    async def done_in(self, transaction: Transaction) -> None:
        """Let a transaction of yours settle this task as done, so that its effect happens exactly once.

        Written at once, by a session or connection as `using(transaction=...)` takes them. If it commits, the task is
        done, and its followers are free; whatever the function does afterwards changes nothing. If it rolls back, the
        task is not done, and is tried again.

        Raises LeaseLost, so that the transaction rolls back, when another worker has the task now; and
        CannotJoinTransaction, also in a step of a chain that others need.

        Example:
            `async with session.begin(): ...; await current_task().done_in(session)`
        """
        if self._done_in is not None:
            await self._done_in.write(transaction)

    def done_in_sync(self, transaction: Transaction) -> None:
        """The same in a `def` task: with a Session, a Connection, or a connection of psycopg or sqlite3."""
        if self._done_in is not None:
            self._done_in.write_sync(transaction)


LONGEST_SAYING = 500  # characters
MOST = 10**18

_current: ContextVar[CurrentTask] = ContextVar("afterwards_current_task")


def current_task() -> CurrentTask:
    """The task in which this code runs; in `def` tasks too.

    Raises LookupError outside of a task.

    Example:
        `requests.post(url, headers={"Idempotency-Key": str(current_task().id)})`
    """
    try:
        return _current.get()
    except LookupError:
        raise LookupError("current_task() is only known inside a task that Afterwards runs") from None


def running_task() -> CurrentTask | None:
    """The same for code that may run anywhere: None outside of a task."""
    return _current.get(None)


def enter(
    task: Task,
    done_in: DoneIn | None = None,
    say: Callable[[Progress], None] | None = None,
    is_asked: Callable[[], bool] | None = None,
) -> Token[CurrentTask]:
    """From now on the running context is in this task; `say` hears how far it is, `is_asked` says if it is to stop."""
    current = CurrentTask(
        id=task.id,
        name=task.name,
        attempt=task.attempt,
        run=task.run,
        _done_in=done_in,
        _say=say,
        _is_asked=is_asked,
    )
    return _current.set(current)


def leave(token: Token[CurrentTask]) -> None:
    """It is where it was before."""
    _current.reset(token)


def _amount(value: object, what: str) -> float:
    if type(value) is not bool and isinstance(value, Real):  # numbers of other libraries too
        number = int(value) if isinstance(value, Integral) else float(value)
        if 0 <= number <= MOST:
            return number
    raise ValueError(f"{what} says how much of the task: a number from 0 to {MOST:.0e}, not {value!r:.100}")


def _cut(say: str) -> str:
    text = str(say)
    return text if len(text) <= LONGEST_SAYING else text[: LONGEST_SAYING - 1] + "…"
