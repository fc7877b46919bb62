"""What may be long, in parts that are a script each, so that none takes long and others come between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from afterwards.stores.redis.looking import Page
from afterwards.stores.redis.steering import Chosen, Pruning
from afterwards.stores.redis.workers import Freeing
from afterwards.tasks import Bookmark, Task, TaskId

_PAGE, _PART = 200, 1_000  # tasks that one script tells or changes


async def find(ask: Callable[[Page], Awaitable[tuple[list[Task], Bookmark | None]]], page: Page) -> list[Task]:
    """All tasks of a page."""
    found: list[Task] = []
    start = page.start
    while len(found) < page.limit:
        part = replace(page, limit=min(page.limit - len(found), _PAGE), start=start)
        tasks, bookmark = await ask(part)
        found += tasks
        if bookmark is None:
            break
        start = bookmark
    return found


async def change(ask: Callable[[Chosen], Awaitable[list[TaskId]]], chosen: Chosen) -> list[TaskId]:
    """Those of these that were changed."""
    changed: list[TaskId] = []
    for start in range(0, len(chosen.ids), _PART):
        changed += await ask(replace(chosen, ids=chosen.ids[start : start + _PART]))
    return changed


async def prune(ask: Callable[[Pruning], Awaitable[tuple[int, int]]], pruning: Pruning) -> int:
    """How many went."""
    deleted = 0
    while deleted < pruning.limit:
        part = replace(pruning, limit=min(pruning.limit - deleted, _PART))
        some, looked_at = await ask(part)
        deleted += some
        if looked_at < part.limit:
            break
    return deleted


async def free(ask: Callable[[Freeing], Awaitable[int]], names: Sequence[str]) -> int:
    """How many were freed."""
    freed, freeing = 0, Freeing(names=tuple(names), limit=_PART)
    while names and (some := await ask(freeing)):
        freed += some
    return freed
