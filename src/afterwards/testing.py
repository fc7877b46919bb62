"""For the tests of a user's app: run tasks inline, or record what was added. Neither touches a store.

Arguments are packed and unpacked on the way as they would be in production, so that what could not be stored fails in
the test too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeAlias, overload

from afterwards.batch import LocalCall
from afterwards.chains import Step
from afterwards.errors import CannotStore
from afterwards.first_run import first_run
from afterwards.formers import Formers
from afterwards.house import House
from afterwards.how import AS_DECORATED
from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.local import call_locally
from afterwards.tasks import Call, State, Task, TaskId, WorkerId
from afterwards.transactions import Hand, Kind, Transaction, kind_of
from afterwards.turns import Turn, turn_of

P = ParamSpec("P")

_INLINE = WorkerId("inline")
_Works: TypeAlias = "deque[Callable[[_Works], Awaitable[None]]]"  # each may add more


class HasHouse(Protocol):
    """An Afterwards."""

    @property
    def house(self) -> House: ...


@contextmanager
def inline(afterwards: HasHouse) -> Generator[None]:
    """Inside the block, tasks run before the client's call returns, as FastAPI's own do, and each only once.

    All tasks of a request run, delayed ones too; then the first error is raised to the caller, or all of them as an
    ExceptionGroup.

    Example:
        `with inline(afterwards): client.post("/register", json=person)`
    """
    with afterwards.house.taking(InlineTaker(afterwards.house)):
        yield


@contextmanager
def recorded(afterwards: HasHouse) -> Generator[Recorded]:
    """Inside the block nothing runs; look at what was added.

    Example:
        `with recorded(afterwards) as tasks: ...; assert tasks.added(send_welcome, user.id)`
    """
    tasks = Recorded(afterwards.house)
    with afterwards.house.taking(tasks):
        yield tasks


class InlineTaker:
    """Runs what it takes in the request itself, once the response has been sent."""

    def __init__(self, house: House) -> None:
        self._runner = house.new_runner(house.events, None, tracing=house.tracing)
        self._taken: dict[TaskId, Call] = {}
        self._ended: dict[TaskId, Task] = {}  # the steps of chains
        self._formers = Formers(house.registry, self._find)

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        """Keep the calls until the response is out."""
        self._taken.update((call.id, call) for call in calls)

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None:
        """Once the transaction has committed it is one of the request's; raw connections do not tell, and count."""
        _when_committed(transaction, call, gather)

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None:
        """Run them all, one after another, and then what they added; then raise what they raised."""
        works: _Works = deque(partial(self._run, self._taken.pop(task_id)) for task_id in ids)
        works.extend(partial(_run_locally, call) for call in local)
        errors: list[Exception] = []
        while works:
            try:
                await works.popleft()(works)
            except Exception as error:  # the others run all the same, as they would in production
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("several background tasks failed", errors)

    async def _run(self, call: Call, works: _Works) -> None:
        task = first_run(call, now=datetime.now(UTC), worker=_INLINE)
        if not self._may_start(task):
            return
        try:
            called = await self._runner.call(await self._formers.complete(task))
        except Exception:
            self._end(replace(task, state=State.FAILED))
            raise
        self._end(replace(task, state=State.DONE, returned=called.outcome.result, error=called.outcome.error))
        works.extendleft(partial(_run_locally, its) for its in reversed(called.local))
        works.extend(partial(self._run, added) for added in called.calls)

    def _may_start(self, task: Task) -> bool:
        """Whether what it needs, which comes before it, is done."""
        if task.link is None or turn_of(task.link, {id: it.state for id, it in self._ended.items()}) == Turn():
            return True
        self._end(replace(task, state=State.CANCELLED))
        return False

    def _end(self, task: Task) -> None:
        if task.link is not None:
            self._ended[task.id] = task

    async def _find(self, ids: Sequence[TaskId]) -> list[Task]:
        return [self._ended[id] for id in ids if id in self._ended]


async def _run_locally(call: LocalCall, _: _Works) -> None:
    await call_locally(call)


class Recorded:
    """What was added: `calls` as they would have been stored, in order; `local` what could not be named."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.calls: list[Call] = []
        self.local: list[LocalCall] = []

    @overload
    def added(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> bool: ...

    @overload
    def added(self, func: Step, /) -> bool: ...

    def added(self, func: Callable[..., Any] | Step, /, *args: Any, **kwargs: Any) -> bool:
        """Whether exactly this call was added, with these arguments, however they were passed.

        A step of a chain is asked for as it was given: `tasks.added(call(add_up, "Pages"))`.
        """
        return self._count(func, args, kwargs) > 0

    @overload
    def count(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> int: ...

    @overload
    def count(self, func: Step, /) -> int: ...

    def count(self, func: Callable[..., Any] | Step, /, *args: Any, **kwargs: Any) -> int:
        """How many times exactly this call was added."""
        return self._count(func, args, kwargs)

    def _count(self, func: Callable[..., Any] | Step, args: tuple[object, ...], kwargs: Mapping[str, object]) -> int:
        if isinstance(func, Step):
            wanted = self._wanted(func)
        else:
            wanted = [self._house.registry.call(func, args, kwargs, AS_DECORATED)]
        return sum(any(call.name == it.name and call.arguments == it.arguments for it in wanted) for call in self.calls)

    def _wanted(self, step: Step) -> list[Call]:
        """The call of a step that is a first one; and of one that may leave out what the step before returns."""
        made: list[Call] = []
        refused: list[Exception] = []
        for link in (None, Link(chain=new_id(), source=())):
            try:
                made.append(self._house.registry.call(step.function, step.args, step.kwargs, AS_DECORATED, link))
            except (TypeError, ValueError, CannotStore) as error:
                refused.append(error)
        if not made:
            raise refused[0]
        return made

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        """Record the calls."""
        self.calls.extend(calls)

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None:
        """Record the call once the transaction has committed; raw connections do not tell, and count at once."""
        _when_committed(transaction, call, self.calls.append)

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None:
        """Nothing runs."""
        self.local.extend(local)


class _Witness:
    """Writes nothing into a transaction, and keeps what was added to it once that has committed."""

    def __init__(self, keep: Callable[[Call], None]) -> None:
        self._keep = keep

    def write(self, hand: Hand, calls: Sequence[Call]) -> None: ...

    def committed(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._keep(call)


def _when_committed(transaction: Transaction, call: Call, keep: Callable[[Call], None]) -> None:
    if kind_of(transaction) in (Kind.RAW, Kind.RAW_ASYNC):
        keep(call)
        return
    from afterwards.stores import sqlalchemy

    sqlalchemy.attach(transaction, _Witness(keep), call)
