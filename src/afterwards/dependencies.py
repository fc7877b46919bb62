"""Solves the dependencies of tasks by FastAPI's rules, without a request. Calls no task's function.

FastAPI's own solver is not used: it wants a request, and calls `def` dependencies in the threads of the app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from types import TracebackType
from typing import Any, assert_never
from weakref import WeakKeyDictionary

from afterwards import fastapi, starlette
from afterwards.annotations import Dependency
from afterwards.batch import Batch, WhenUnnameable
from afterwards.fastapi import RequestTasks
from afterwards.house import House
from afterwards.needs import Kind, Need, Needs, needs_of, overriding
from afterwards.solving import Thread

_Overrides = Mapping[Callable[..., Any], Callable[..., Any]]


class Dependencies:
    """Those of all functions of one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._read: WeakKeyDictionary[Dependency, Needs] = WeakKeyDictionary()

    def check(self, dependencies: Iterable[Dependency]) -> None:
        """Raises CannotSolve for those that could not be solved in a task."""
        for dependency in dependencies:
            self._needs(dependency)

    def batch(self) -> Batch:
        """A new one, for what one run adds; in an adopted app what has no name runs locally, as it does in requests."""
        adopted = any(fastapi.is_adopted(app, self._house) for app in starlette.apps_of(self._house))
        return self._house.batch(WhenUnnameable.LOCAL if adopted else WhenUnnameable.RAISE)

    async def solve(
        self, dependencies: Mapping[str, Dependency], *, stack: AsyncExitStack, thread: Thread, batch: Batch
    ) -> dict[str, object]:
        """Their values, by the same names. What has to be torn down is put on the stack; their errors come through."""
        of_function = AsyncExitStack()
        solving = _Solving(self._overrides(), stack, of_function, thread, RequestTasks(batch))
        try:
            values: dict[str, object] = {}
            for dependency in dependencies.values():
                needs = self._needs(dependency)
                values |= await solving.values(needs.needs, needs.takes_tasks)
            return values
        finally:
            stack.push_async_exit(of_function)  # on top, so that all of it exits before the others do

    def _needs(self, dependency: Dependency) -> Needs:
        needs = self._read.get(dependency)
        if needs is None:
            needs = self._read[dependency] = needs_of(dependency)
        return needs

    def _overrides(self) -> _Overrides:
        """Of the apps in which the house is installed; where several override the same, the one installed first."""
        found: dict[Callable[..., Any], Callable[..., Any]] = {}
        for app in reversed(starlette.apps_of(self._house)):
            found.update(getattr(app, "dependency_overrides", {}))
        return found


class _Solving:
    """One run's: what is called once stays in the cache."""

    def __init__(
        self,
        overrides: _Overrides,
        of_request: AsyncExitStack,
        of_function: AsyncExitStack,
        thread: Thread,
        tasks: RequestTasks,
    ) -> None:
        self._overrides = overrides
        self._of_request, self._of_function = of_request, of_function
        self._thread = thread
        self._tasks = tasks
        self._cache: dict[object, object] = {}

    async def values(self, needs: Iterable[Need], takes_tasks: str | None) -> dict[str, object]:
        """The arguments for who needs these."""
        values = {need.name: await self._solved(need) for need in needs}
        if takes_tasks is not None:
            values[takes_tasks] = self._tasks
        return values

    async def _solved(self, need: Need) -> object:
        """What it needs is solved first, also when it stands in the cache itself: so does FastAPI."""
        override = self._overrides.get(need.call)
        if override is not None:
            need = overriding(need, override)
        values = await self.values(need.needs, need.takes_tasks)
        if need.use_cache and need.key in self._cache:
            return self._cache[need.key]
        solved = await self._limited(need, values)
        self._cache.setdefault(need.key, solved)
        return solved

    async def _limited(self, need: Need, values: dict[str, object]) -> object:
        if need.concurrency is None:
            return await self._called(need, values, self._stack_of(need))
        if need.kind in (Kind.YIELDS, Kind.ASYNC_YIELDS):
            await self._stack_of(need).enter_async_context(need.concurrency.get_semaphore())
            return await self._called(need, values, self._stack_of(need))
        async with need.concurrency.get_semaphore():
            return await self._called(need, values, self._stack_of(need))

    async def _called(self, need: Need, values: dict[str, object], stack: AsyncExitStack) -> object:
        match need.kind:
            case Kind.TASKS:
                return self._tasks
            case Kind.ASYNC:
                return await need.call(**values)
            case Kind.PLAIN:
                return await self._thread(partial(need.call, **values))
            case Kind.ASYNC_YIELDS:
                return await stack.enter_async_context(asynccontextmanager(need.call)(**values))
            case Kind.YIELDS:
                within = contextmanager(need.call)(**values)
                return await stack.enter_async_context(_InThreads(within, self._thread))
            case _ as never:
                assert_never(never)

    def _stack_of(self, need: Need) -> AsyncExitStack:
        return self._of_function if need.of_function else self._of_request


class _InThreads(AbstractAsyncContextManager[object]):
    """A plain context manager, entered and left in threads. Leaving waits for no other: it may let one of them go."""

    def __init__(self, within: AbstractContextManager[object], thread: Thread) -> None:
        self._within = within
        self._thread = thread

    async def __aenter__(self) -> object:
        return await self._thread(self._within.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> bool:
        return bool(await self._thread(partial(self._within.__exit__, kind, error, frames), at_once=True))
