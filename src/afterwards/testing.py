"""For the tests of a user's app: run tasks inline, or record what was added. Neither touches a store.

Arguments are packed and unpacked on the way as they would be in production, so that what could not be stored fails in
the test too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeAlias

from afterwards.adding import AS_DECORATED
from afterwards.batch import LocalCall
from afterwards.house import House
from afterwards.local import call_locally
from afterwards.tasks import Call, TaskId, WorkerId, first_run
from afterwards.transactions import Hand, Kind, Transaction, kind_of

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
        calls, local = await self._runner.call(first_run(call, now=datetime.now(UTC), worker=_INLINE))
        works.extendleft(partial(_run_locally, its) for its in reversed(local))
        works.extend(partial(self._run, added) for added in calls)


async def _run_locally(call: LocalCall, _: _Works) -> None:
    await call_locally(call)


class Recorded:
    """What was added: `calls` as they would have been stored, in order; `local` what could not be named."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.calls: list[Call] = []
        self.local: list[LocalCall] = []

    def added(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Whether exactly this call was added, with these arguments, however they were passed."""
        return self.count(func, *args, **kwargs) > 0

    def count(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> int:
        """How many times exactly this call was added."""
        wanted = self._house.registry.call(func, args, kwargs, AS_DECORATED)
        return sum(call.name == wanted.name and call.arguments == wanted.arguments for call in self.calls)

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
