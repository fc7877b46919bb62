"""The two words of adding: `using(...)` says how, `add_task(...)` says what. Common to every door."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, Unpack

from afterwards.batch import Batch, TaskHandle
from afterwards.chains import Chain, Chained, Group, Part
from afterwards.how import AS_DECORATED, How, call_options
from afterwards.options import CallOptions

P = ParamSpec("P")


class UsingTasks:
    """`background_tasks.using(...)`: adds tasks with these options."""

    def __init__(self, batch: Batch, options: CallOptions) -> None:
        self._batch = batch
        self._options = options

    def add_task(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Add one task with these options; every argument goes to the function. See `BackgroundTasks.add_task`."""
        return self._batch.add(func, args, kwargs, self._options)


class Tasks(UsingTasks):
    """Adds tasks to a batch: what Starlette's doors hand out."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch, AS_DECORATED)

    def using(self, **how: Unpack[How]) -> UsingTasks:
        """Add with options: `tasks.using(delay=60).add_task(...)`."""
        return UsingTasks(self._batch, call_options(how))

    def add_chain(self, *parts: Part) -> Chained:
        """Add a chain, stored with the other tasks of the request. See `Afterwards.chain`."""
        return self._batch.add_chain(Chain(parts))

    def add_group(self, parts: Iterable[Part], then: Part | None = None) -> Chained:
        """Add a group, stored with the other tasks of the request. See `Afterwards.group`."""
        return self._batch.add_chain(Group(parts, then))
