"""The dependencies of one run: solved before its function is called, torn down when it has ended. Imports no FastAPI.

Who knows FastAPI's rules is handed to it, as a Solver. What the run adds through its `BackgroundTasks` is gathered
here until it is known how the run ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

from afterwards.annotations import Dependency
from afterwards.batch import Batch, LocalCall
from afterwards.tasks import Call

_SWALLOWED = "A dependency with yield caught this error and did not raise it again. The task counts as failed by it."


class Thread(Protocol):
    """Calls plain functions in a thread of the worker."""

    def __call__(self, function: Callable[[], object], /, *, at_once: bool = False) -> Awaitable[object]:
        """What it returns or raises. `at_once`: without waiting for others, as an exit must be which lets them go."""
        ...


class Solver(Protocol):
    """Knows how dependencies are solved."""

    def check(self, dependencies: Iterable[Dependency]) -> None:
        """Raises CannotSolve for those that could not be solved in a task."""
        ...

    def batch(self) -> Batch:
        """A new one, for what one run adds."""
        ...

    async def solve(
        self, dependencies: Mapping[str, Dependency], *, stack: AsyncExitStack, thread: Thread, batch: Batch
    ) -> dict[str, object]:
        """Their values, by the same names. What has to be torn down is put on the stack; their errors come through."""
        ...


class Solution:
    """`dependencies` of one run, and what it adds."""

    def __init__(self, solver: Solver, dependencies: Mapping[str, Dependency]) -> None:
        self._solver = solver
        self._dependencies = dependencies
        self._stack = AsyncExitStack()
        self._batch = solver.batch()

    async def values(self, thread: Thread) -> dict[str, object]:
        """Solve them. Their errors come through; `end` is to be called all the same."""
        return await self._solver.solve(self._dependencies, stack=self._stack, thread=thread, batch=self._batch)

    async def end(self, error: BaseException | None) -> BaseException | None:
        """Tear down what was solved. Each sees `error`, may put another in its place, and cannot undo it.

        Returns the error that the run ends with: an error on the way of a run that had none is that of the run.
        """
        kind, frames = (None, None) if error is None else (type(error), error.__traceback__)
        try:
            swallowed = await self._stack.__aexit__(kind, error, frames)
        except BaseException as other:
            error = other
        else:
            if swallowed and error is not None:
                error.add_note(_SWALLOWED)
        self._batch.end()
        return error

    def settled_early(self) -> tuple[Call, ...]:
        """The calls that were added so far: somebody stores them now, and nothing can be added any more."""
        self._batch.end()
        return self._batch.gathered()

    def added(self) -> tuple[list[Call], list[LocalCall]]:
        """What the run added: to be stored with its outcome, and to be run here."""
        return self._batch.take_out()
