"""Gives a step of a chain the results that it takes, before it runs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from afterwards.codec import Arguments, CannotRead
from afterwards.links import Source, sources
from afterwards.names import UnknownFunction
from afterwards.registry import Registry
from afterwards.tasks import State, Task, TaskId

_NAMED = 3

Find: TypeAlias = Callable[[Sequence[TaskId]], Awaitable[Sequence[Task]]]


class NotEnded(Exception):
    """A result will be there later: the task that returns it runs again."""


class Formers:
    """Completes the arguments of tasks; `find` looks up the tasks whose results are taken."""

    def __init__(self, registry: Registry, find: Find) -> None:
        self._registry = registry
        self._find = find

    async def complete(self, task: Task) -> Task:
        """The task with the results of those before it in its arguments, if it takes any.

        A step that starts anyway gets None for one that is not done. Raises NotEnded for one that was retried when this
        step was free already, CannotRead for a result that is not there or does not fit, and StoreUnavailable.
        """
        link = task.link
        if link is None or link.source is None:
            return task
        try:
            arguments = self._registry.find(task.name).arguments
        except UnknownFunction:  # who runs it will say so
            return task
        if arguments.former is None:  # the function does not take it any more
            return task
        wanted = list(sources(link.source))
        missing = [id for id in wanted if id not in link.given]
        found = {one.id: one for one in (await self._find(missing) if missing else ())}
        if any(not one.state.ended for one in found.values()):
            raise NotEnded
        texts = {id: _text(id, found.get(id), anyway=link.anyway) for id in missing} | dict(link.given)
        filled = arguments.fill(task.arguments, _shaped(link.source, texts))
        _check(arguments, filled, task, [found[id] for id in missing if id in found])
        return replace(task, arguments=filled)


def _check(arguments: Arguments, filled: str, task: Task, formers: Sequence[Task]) -> None:
    """Say it if what the step before returned is not what this one takes."""
    try:
        arguments.read(filled)
    except CannotRead as error:
        names = ", ".join(dict.fromkeys(former.name for former in formers[:_NAMED]))
        raise CannotRead(
            f"{task.name} takes the result of {names or 'another task'} as {arguments.former!r}: {error}"
        ) from None


def _text(id: TaskId, task: Task | None, *, anyway: bool) -> str:
    """What a task returned, as JSON text."""
    if task is not None and task.state is State.DONE and task.returned is not None:
        return task.returned
    if anyway and (task is None or task.state is not State.DONE):
        return "null"
    if task is None:
        raise CannotRead(f"the result of task {id}, which this one takes, is gone: that task is not stored any more")
    why = "it was not kept" if task.error is None else str(task.error)
    raise CannotRead(f"the result of task {id} ({task.name}), which this one takes, is not there: {why}")


def _shaped(source: Source, texts: Mapping[TaskId, str]) -> object:
    """One result, or a list of them, as values of JSON's."""
    return [_shaped(part, texts) for part in source] if isinstance(source, tuple) else json.loads(texts[source])
