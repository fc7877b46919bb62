"""Calls gathered and added at once: one request has one batch.

A batch names and packs each call when it is added, so that a refusal is raised in the handler; it writes nothing
itself. Who takes its calls (the store, a test that records, a test that runs inline) is handed to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from afterwards.chains import Chained, Part, Step, calls_of, chained
from afterwards.errors import CannotName, RequestEnded
from afterwards.idempotency import RequestKey
from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.options import CallOptions
from afterwards.registry import Registry
from afterwards.tasks import NO_DELAY, Call, TaskId
from afterwards.tracing import Tracing
from afterwards.transactions import Transaction

Function = Callable[..., object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHandle:
    """What `add_task` returns: the `id` (a UUID of version 7) under which the task will be found once it is stored.

    `durable` is False only for a function without a name that runs locally (`when_unnameable="local"`): no store
    knows its id.
    """

    id: TaskId
    durable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCall:
    """A function without a name, with its arguments as they are: it runs here, after the response, and once."""

    function: Function
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    why: str


class WhenUnnameable(StrEnum):
    """What becomes of a function that has no name."""

    RAISE = "raise"
    LOCAL = "local"


class Taker(Protocol):
    """Who takes the calls of a batch."""

    async def take(self, calls: Sequence[Call], *, sent: bool) -> None:
        """Store the calls, or do in its place what this taker is for. `sent`: the response is out already."""
        ...

    def join(self, call: Call, transaction: Transaction, gather: Callable[[Call], None]) -> None:
        """Let a transaction of the user's store the call; or do `gather` it after all, once that has committed."""
        ...

    async def release(self, ids: Sequence[TaskId], local: Sequence[LocalCall]) -> None:
        """The response has been sent: what was taken may start, and what has no name runs now."""
        ...


class Batch:
    """Gathers the calls of one request, from any thread."""

    def __init__(
        self,
        registry: Registry,
        taker: Taker,
        when_unnameable: WhenUnnameable,
        tracing: Tracing,
        request_key: RequestKey | None = None,
    ) -> None:
        self._request_key = request_key
        self._registry = registry
        self._tracing = tracing
        self._taker = taker
        self._when_unnameable = when_unnameable
        self._lock = threading.Lock()
        self._gathered: list[Call] = []
        self._gathered_local: list[LocalCall] = []
        self._taken: list[TaskId] = []
        self._taken_local: list[LocalCall] = []
        self._line_ends: dict[str, TaskId] = {}
        self._ended = False

    def add(
        self, function: Function, args: tuple[object, ...], kwargs: Mapping[str, object], options: CallOptions
    ) -> TaskHandle:
        """Gather one call. Raises CannotName, CannotStore or CallTooLarge here, and keeps the others."""
        try:
            call = self._tracing.added(self._registry.call(function, args, kwargs, options))
        except CannotName as error:
            if self._when_unnameable is WhenUnnameable.RAISE or options.transaction is not None:
                raise
            return self._add_local(LocalCall(function=function, args=args, kwargs=kwargs, why=str(error)))
        with self._lock:
            self._refuse_if_ended()
            if self._request_key is not None:
                call = self._request_key.give(call)
            if options.transaction is None:
                self._gathered.append(self._in_line(call) if options.ordered else call)
        if options.transaction is not None:
            self._taker.join(call, options.transaction, self._gather)
        return TaskHandle(id=call.id)

    def add_chain(self, part: Part) -> Chained:
        """Gather the calls of a chain or group, all or none. Raises like `add`; ValueError for a step with a key."""
        if self._request_key is not None:
            raise ValueError(
                "a request with an idempotency key cannot add a chain: its steps take no keys. Let a task that it adds "
                "add the chain"
            )
        calls = calls_of(part, self._step)
        with self._lock:
            self._refuse_if_ended()
            self._gathered += calls
        return chained(calls)

    async def commit(self, *, sent: bool = False) -> None:
        """Hand on what was gathered, in one write. Raises StoreUnavailable when the store refuses."""
        calls, local = self.take_out()
        if calls:
            await self._taker.take(calls, sent=sent)
            self._taken += [call.id for call in calls]
        self._taken_local += local

    def take_out(self) -> tuple[list[Call], list[LocalCall]]:
        """What was gathered and not yet handed on, for one who stores it himself; it is forgotten here."""
        with self._lock:
            calls, self._gathered = self._gathered, []
            local, self._gathered_local = self._gathered_local, []
        return calls, local

    def gathered(self) -> tuple[Call, ...]:
        """What was gathered and not yet handed on."""
        with self._lock:
            return tuple(self._gathered)

    @property
    def has_gathered(self) -> bool:
        """Something is gathered that was not yet handed on."""
        return bool(self._gathered or self._gathered_local)

    @property
    def is_empty(self) -> bool:
        """Nothing is gathered, and nothing that was handed on waits to be released."""
        return not (self._gathered or self._gathered_local or self._taken or self._taken_local)

    def end(self) -> None:
        """The request or task has ended: nothing can be added any more."""
        with self._lock:
            self._ended = True

    async def release(self) -> None:
        """The response has been sent: what was handed on may start."""
        taken, self._taken = self._taken, []
        local, self._taken_local = self._taken_local, []
        if taken or local:
            await self._taker.release(taken, local)

    async def send_off(self) -> None:
        """Hand on what was gathered outside of any request, so that it may start. Raises StoreUnavailable."""
        await self.commit(sent=True)
        await self.release()

    def discard(self) -> None:
        """The request failed: forget what was gathered and not yet handed on."""
        with self._lock:
            self._gathered, self._gathered_local = [], []

    def _step(self, step: Step, link: Link) -> Call:
        call = self._registry.call(step.function, step.args, step.kwargs, step.options, link)
        return self._tracing.added(call)

    def _gather(self, call: Call) -> None:
        with self._lock:
            self._gathered.append(call)

    def _add_local(self, call: LocalCall) -> TaskHandle:
        with self._lock:
            self._refuse_if_ended()
            self._gathered_local.append(call)
        return TaskHandle(id=new_id(), durable=False)

    def _refuse_if_ended(self) -> None:
        if self._ended:
            raise RequestEnded(
                "this request or task has ended, nothing added to it would run: use `await afterwards.add(...)`"
            )

    def _in_line(self, call: Call) -> Call:
        """Each queue has a line: a call that is due now waits for the one before it; others stand outside."""
        if call.due is not None or call.delay > NO_DELAY:
            return call
        former = self._line_ends.get(call.queue)
        self._line_ends[call.queue] = call.id
        return call if former is None else replace(call, after=former)
