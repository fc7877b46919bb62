"""The commands `list` and `show`: they read, and create nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from afterwards.app import Afterwards
from afterwards.cli.portrait import as_json, as_page, as_table
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.trouble import Trouble
from afterwards.stores import examine
from afterwards.tasks import Search, Task, TaskId


def list_tasks(afterwards: Afterwards, search: Search, *, limit: int, json: bool) -> None:
    """Write the newest tasks that match."""
    tasks = asyncio.run(find(afterwards, search, limit))
    if json:
        print_json([as_json(task) for task in tasks])
    elif tasks:
        print_text(as_table(tasks, now()))
        if len(tasks) == limit:
            print_text(f"\nThese are the newest {limit}; --limit shows more.")
    else:
        print_text(_nothing(afterwards, narrowed=search != Search()))


def show_task(afterwards: Afterwards, task_id: TaskId, *, json: bool) -> None:
    """Write everything about one task. Raises Trouble when there is none of this id."""
    tasks = asyncio.run(find(afterwards, Search(ids=(task_id,)), 1))
    if not tasks:
        raise Trouble(f"no task has the id {task_id} in {where(afterwards)}: never stored, or ended too long ago")
    if json:
        print_json(as_json(tasks[0]))
    else:
        print_text(as_page(tasks[0], now()))


async def find(afterwards: Afterwards, search: Search, limit: int) -> list[Task]:
    """The tasks that match; none where there is no store yet, and then none is made."""
    if not exists(afterwards):
        return []
    store = afterwards.house.store
    try:
        return await store.find(search, limit=limit)
    finally:
        await store.close()


def exists(afterwards: Afterwards) -> bool:
    """Whether there is a store. Raises Trouble for one that cannot be read."""
    checkup = examine(afterwards.house.settings.url)
    if checkup.unreadable:
        raise Trouble(checkup.unreadable)
    return checkup.exists


def where(afterwards: Afterwards) -> str:
    """Which store it is, in words."""
    return examine(afterwards.house.settings.url).place


def now() -> datetime:
    """For relative times only: asking the store for its own clock would count all its tasks."""
    return datetime.now(UTC)


def _nothing(afterwards: Afterwards, *, narrowed: bool) -> str:
    if not exists(afterwards):
        return f"No tasks yet: there is no store in {where(afterwards)}."
    return "No task matches." if narrowed else f"No tasks in {where(afterwards)}."
