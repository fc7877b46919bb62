"""Retries, cancels and deletes tasks by their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from afterwards.app import Afterwards
from afterwards.cli.looking import exists
from afterwards.cli.printing import print_json, print_text
from afterwards.harmless import harmless
from afterwards.steering import Order, verb_of
from afterwards.store import Store
from afterwards.tasks import Search, State, Task, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """What became of one task; `task` is None for an id that no task has, any more or ever."""

    id: TaskId
    changed: bool
    task: Task | None
    why: str = ""


def steer_these(afterwards: Afterwards, order: Order, ids: Sequence[TaskId], *, json: bool) -> int:
    """Do it to these, and write what became of each; the exit code."""
    steered = asyncio.run(_steer(afterwards, order, ids))
    if order is Order.RETRY:
        steered = [_with_reason(one) for one in steered]
    if json:
        print_json([_as_json(one) for one in steered])
    else:
        print_text("\n".join(f"{one.id}  {_in_words(one)}" for one in steered))
    return 1 if any(one.task is None and not one.changed for one in steered) else 0


def _with_reason(retried: Steered) -> Steered:
    """An ended task stays as it is for its key, or as a step whose chain is broken; a step has no key."""
    task = retried.task
    if task is None or retried.changed or not task.state.ended:
        return retried
    if task.key is not None:
        return replace(retried, why=f"; another task holds its key, {harmless(task.key)}")
    if task.link is not None:
        return replace(retried, why="; what it needs is not done: retry that, and this one waits for it again")
    return retried


async def _steer(afterwards: Afterwards, order: Order, ids: Sequence[TaskId]) -> list[Steered]:
    if not exists(afterwards):
        return [Steered(id=task_id, changed=False, task=None) for task_id in ids]
    store = afterwards.house.store
    try:
        changed = set(await verb_of(store, order)(ids))
        tasks = await _tasks(store, ids)
    finally:
        await store.close()
    return [Steered(id=task_id, changed=task_id in changed, task=tasks.get(task_id)) for task_id in ids]


async def _tasks(store: Store, ids: Sequence[TaskId]) -> dict[TaskId, Task]:
    """Each under the id that was given, which may be another name of it."""
    tasks = {task.id: task for task in await store.find(Search(ids=tuple(ids)), limit=len(ids))}
    for id in ids:
        if id not in tasks:
            tasks.update((id, task) for task in await store.find(Search(ids=(id,)), limit=1))
    return tasks


def _as_json(steered: Steered) -> dict[str, object]:
    state = None if steered.task is None else steered.task.state
    return {"id": str(steered.id), "changed": steered.changed, "state": state}


def _in_words(steered: Steered) -> str:
    match steered.task:
        case None:
            return "deleted" if steered.changed else "unknown"
        case Task(state=State.RUNNING) if steered.changed:
            return "asked to stop"
        case Task(state=state):
            return f"{state} now" if steered.changed else f"unchanged, it is {state}{steered.why}"
