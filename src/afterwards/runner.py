"""Runs one claimed task and returns its outcome. Touches no store.

Whatever the function raises becomes an outcome: also SystemExit, and errors that cannot be printed. Only a
cancellation that came from outside passes through, for the worker to explain.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from afterwards import outcomes
from afterwards.batch import LocalCall
from afterwards.cancelling import was_cancelled_from_outside
from afterwards.codec import CannotRead
from afterwards.current import enter, leave
from afterwards.done_in import DoneIn, InOwnTransaction, NotCommitted
from afterwards.errors import DeadlinePassed, StoreUnavailable
from afterwards.events import Events, FailedAfterDone, TaskStarted
from afterwards.failures import failure_of
from afterwards.formers import NotEnded
from afterwards.functions import Function
from afterwards.local import run_locally
from afterwards.names import UnknownFunction
from afterwards.notes import Notes
from afterwards.outcomes import Ending, Outcome
from afterwards.processes.isolation import Isolation
from afterwards.registry import Registry
from afterwards.solving import Solution, Solver
from afterwards.tasks import NO_DELAY, Call, Task, TaskId
from afterwards.threads import PLACE, Raised, Threads
from afterwards.timeouts import UNLIMITED, Limit
from afterwards.tracing import UNTRACED, Tracing

Overran: TypeAlias = Callable[[Outcome | None], None]

_SOON = timedelta(seconds=1)
_NOTHING = contextlib.nullcontext()
_OURS = (__file__, PLACE)  # the files whose frames are nobody's matter


@dataclass(slots=True)
class _Try:
    """One try of a task: what is called with what. `solution` is None where the call gives everything."""

    task: Task
    function: Function
    args: tuple[object, ...]
    kwargs: dict[str, object]
    solution: Solution | None
    limit: Limit = UNLIMITED
    done_in: DoneIn | None = None
    returned: object = None
    is_asked: bool = False  # to stop, though nothing may stop it


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a run added, to be stored and to be run here; and that it is done, with what it returned."""

    calls: Sequence[Call]
    local: Sequence[LocalCall]
    outcome: Outcome


class Runner:
    """Runs tasks: `async def` functions in this loop, `def` functions in up to `threads` threads of their own.

    `solver` solves dependencies; it is asked for only by functions that have some. `joining` lets a task be settled in
    a transaction of its own; without it, as in tests that run inline, it is done when it returns. `isolation` runs
    isolated functions in processes; without it they run here, as the others. `notes` hear what a task tells while it
    runs. `complete` gives a step of a chain the results that it takes; without it they are in its arguments already.
    """

    def __init__(
        self,
        registry: Registry,
        events: Events,
        *,
        threads: int,
        solver: Callable[[], Solver],
        joining: InOwnTransaction | None = None,
        isolation: Isolation | None = None,
        tracing: Tracing = UNTRACED,
        notes: Notes | None = None,
        complete: Callable[[Task], Awaitable[Task]] | None = None,
    ) -> None:
        self._registry = registry
        self._complete = complete
        self._events = events
        self._threads = Threads(threads)
        self._solver = solver
        self._joining, self._isolation = joining, isolation
        self._tracing, self._notes = tracing, notes or Notes()
        self._trying: dict[TaskId, _Try] = {}

    @property
    def in_threads(self) -> Set[TaskId]:
        """The tasks that are inside a thread now, where nothing can stop them."""
        return self._threads.inside

    def ask_to_stop(self, id: TaskId) -> None:
        """Let the function know, if it asks; it may be in a thread, where that is all that can be done."""
        if id in self._trying:
            self._trying[id].is_asked = True

    async def run(self, task: Task, *, overran: Overran) -> Outcome:
        """Run the task to its end. Raises CancelledError only when somebody cancelled the surrounding asyncio task.

        `overran` is called if it goes on after its timeout, with the outcome that it has all the same.
        """
        with self._tracing.running(task) as how_it_ended:
            outcome = await self._run(task, overran)
            how_it_ended(outcome)
        return outcome

    async def _run(self, task: Task, overran: Overran) -> Outcome:
        if (late := _too_late(task)) is not None:
            return outcomes.failed(task.claim, failure_of(late))
        if self._events.heard(TaskStarted):
            self._events.say(TaskStarted(task=task))
        try:
            if task.link is not None and self._complete is not None:
                task = await self._complete(task)
        except CannotRead as error:
            return outcomes.failed(task.claim, replace(failure_of(error, hide=_OURS), kind="arguments"))
        except (NotEnded, StoreUnavailable):  # it has not begun
            return outcomes.returned(task.claim, _SOON)
        try:
            if self._isolation is not None and self._isolation.takes(task):
                return await self._isolated(task, time.monotonic(), self._isolation)
            return await self._outcome(task, time.monotonic(), overran)
        except Exception as error:  # an error whose own code is broken; it ends this task and not the worker
            return outcomes.failed(task.claim, failure_of(error))

    async def call(self, task: Task) -> Called:
        """Run the task's function and let its error through, as a test that runs tasks inline wants it."""
        with self._tracing.running(task) as how_it_ended:
            called = await self._called(task)
            how_it_ended(outcomes.done(task.claim))
        return called

    async def _called(self, task: Task) -> Called:
        if (late := _too_late(task)) is not None:
            raise late
        attempt = self._prepared(task, lambda outcome: None)
        error = await self._error(attempt)
        if error is not None:
            raise error
        calls, local = ((), ()) if attempt.solution is None else attempt.solution.added()
        return Called(calls=calls, local=local, outcome=self._done(attempt, NO_DELAY))

    async def _outcome(self, task: Task, began: float, overran: Overran) -> Outcome:
        try:
            attempt = self._prepared(task, overran)
        except UnknownFunction as error:
            return outcomes.unknown(task.claim, failure_of(error, hide=_OURS))
        except CannotRead as error:
            return outcomes.failed(task.claim, replace(failure_of(error, hide=_OURS), kind="arguments"))
        except Exception as error:  # annotations from which no schema can be made any more
            return outcomes.failed(task.claim, failure_of(error, hide=_OURS))
        if self._joining is not None:
            added = tuple[Call, ...] if attempt.solution is None else attempt.solution.settled_early
            progress = partial(self._notes.progress, task)
            needed = task.link is not None and task.link.followed
            attempt.done_in = DoneIn(self._joining, task.claim, began, added=added, progress=progress, is_needed=needed)
        try:
            raised = await self._error(attempt)
        except asyncio.CancelledError:
            if attempt.done_in is None or not await attempt.done_in.is_written():
                raise
            raised = None  # it was interrupted when it was done
        return await self._ended(attempt, raised, timedelta(seconds=time.monotonic() - began))

    async def _isolated(self, task: Task, began: float, isolation: Isolation) -> Outcome:
        try:
            with self._logging(task, self._registry.find(task.name)):
                return await isolation.run(task, partial(self._notes.put, task))
        except Exception as error:  # where it was raised here is nobody's matter
            took = timedelta(seconds=time.monotonic() - began)
            return self._raised(task, error.with_traceback(None), took)

    def _prepared(self, task: Task, overran: Overran) -> _Try:
        function = self._registry.find(task.name)
        args, kwargs = function.arguments.read(task.arguments)
        unsolved = function.arguments.unsolved(args, kwargs)
        solution = Solution(self._solver(), unsolved) if unsolved else None
        attempt = _Try(task, function, args, kwargs, solution)
        timeout = task.timeout or function.options.timeout
        if timeout is not None:
            attempt.limit = Limit(
                timeout,
                is_in_thread=lambda: task.id in self._threads.inside,
                overran=lambda: overran(self._so_far(attempt)),
            )
        return attempt

    def _so_far(self, attempt: _Try) -> Outcome | None:
        """What is known of a run after its timeout; nothing while a transaction of its own may have settled it."""
        attempt.is_asked = True
        if attempt.done_in is not None and attempt.done_in.is_wanted:
            return None
        return self._raised(attempt.task, attempt.limit.error(), attempt.limit.timeout or NO_DELAY)

    async def _error(self, attempt: _Try) -> BaseException | None:
        """Run it; what it raised, as a value: raised again, a StopIteration would not be itself any more."""
        say = partial(self._notes.put, attempt.task)
        token = enter(attempt.task, attempt.done_in, say, lambda: attempt.is_asked)
        self._trying[attempt.task.id] = attempt
        try:
            with self._logging(attempt.task, attempt.function):
                raised = attempt.limit.end(await self._raised_by(attempt))
                if attempt.solution is not None and attempt.task.id not in self._threads.inside:
                    raised = await attempt.solution.end(raised)
        finally:
            del self._trying[attempt.task.id]
            leave(token)
        try:
            if isinstance(raised, asyncio.CancelledError) and was_cancelled_from_outside():
                raise raised
            return raised
        finally:
            del raised  # it knows this frame, and the frame what was solved: a circle that would stay for a while

    def _logging(self, task: Task, function: Function) -> AbstractContextManager[object]:
        return self._notes.logging(task) if function.options.keeps_logs(task.keeps) else _NOTHING

    async def _raised_by(self, attempt: _Try) -> BaseException | None:
        solution, limit = attempt.solution, attempt.limit
        try:
            limit.go_on()
            if solution is not None:
                attempt.kwargs |= await solution.values(partial(self._in_its_thread, attempt.task, limit))
            function = attempt.function
            if function.is_async:
                returned = function.function(*attempt.args, **attempt.kwargs)
            else:
                bound = partial(function.function, *attempt.args, **attempt.kwargs)
                returned = await self._threads.run(attempt.task.id, limit, bound, keeping=solution)
            if isinstance(returned, Raised):
                return returned.error
            if inspect.isawaitable(returned):  # of a `def` function too: a plain wrapper around an `async def` one
                returned = await returned
            attempt.returned = returned
        except BaseException as error:  # SystemExit too: a task must not end its worker
            return error
        return None

    async def _ended(self, attempt: _Try, raised: BaseException | None, took: timedelta) -> Outcome:
        if attempt.done_in is not None and attempt.done_in.is_wanted:
            outcome = await self._after_transaction(attempt.task, attempt.done_in, raised, took)
        elif raised is None:
            outcome = self._done(attempt, took)
        else:
            outcome = self._raised(attempt.task, raised, took)
        if attempt.solution is None or outcome.ending is not Ending.DONE:
            return outcome
        return await self._adding(outcome, *attempt.solution.added())

    def _done(self, attempt: _Try, took: timedelta) -> Outcome:
        """It returned. What it returned is kept if it can be: its effect is there, and must not come twice."""
        outcome = outcomes.done(attempt.task.claim, took=took)
        if not attempt.function.options.keeps_result(attempt.task.keeps):
            return outcome
        try:
            return replace(outcome, result=self._registry.write_result(attempt.function, attempt.returned))
        except Exception as error:  # the value's own hooks may raise anything
            return replace(outcome, error=failure_of(error, hide=_OURS))

    async def _adding(self, outcome: Outcome, calls: Sequence[Call], local: Sequence[LocalCall]) -> Outcome:
        """It is done: what it added is stored with that, unless its own transaction has stored it."""
        with contextlib.suppress(asyncio.CancelledError):  # the run itself has ended, and well
            for call in local:
                await run_locally(call, self._events)
        return outcome if outcome.settled else replace(outcome, calls=tuple(calls))

    async def _after_transaction(
        self, task: Task, done_in: DoneIn, raised: BaseException | None, took: timedelta
    ) -> Outcome:
        """It asked a transaction to settle it: if that was committed it is done, whatever came afterwards."""
        if not await done_in.is_written():
            return self._raised(task, raised or NotCommitted(), took)
        if raised is not None:
            self._events.say(FailedAfterDone(task=task, error=raised))
        return outcomes.done(task.claim, took=took, settled=True)

    def cancelled_itself(self, task: Task) -> Outcome:
        """The run was cancelled, and nobody here had asked for it: the task's own doing, and an error like others."""
        return self._raised(task, asyncio.CancelledError("the task cancelled itself"), NO_DELAY)

    def _raised(self, task: Task, error: BaseException, took: timedelta) -> Outcome:
        failure = failure_of(error, hide=_OURS)
        return outcomes.raised(
            task.claim, error, failure, took=took, attempt=task.attempt, retry=self._registry.retry_for(task)
        )

    async def _in_its_thread(
        self, task: Task, limit: Limit, function: Callable[[], object], /, *, at_once: bool = False
    ) -> object:
        """A step of solving dependencies."""
        returned = await self._threads.run(task.id, limit, function, at_once=at_once)
        if isinstance(returned, Raised):
            raise returned.error
        limit.check()
        return returned


def _too_late(task: Task) -> DeadlinePassed | None:
    """By the store's clock: `started` is when it was claimed."""
    if task.deadline is None or task.started is None or task.started <= task.deadline:
        return None
    before = "" if task.error is None else f" Its last error was {task.error.kind}: {task.error.message}"
    return DeadlinePassed(f"it was not started before its deadline, {task.deadline.isoformat(' ')}.{before}")
