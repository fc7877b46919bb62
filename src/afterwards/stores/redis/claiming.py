"""Gives tasks to a worker, and says when there will be some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.stores.redis.lost import Lost
from afterwards.tasks import Task, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker would take; `lost` knows what it may have already without knowing."""

    worker: WorkerId
    limit: int
    suspects: bool
    unknown: tuple[str, ...]
    lost: Lost


def claim(wish: Wish) -> Talk[list[Task]]:
    """The best of what is claimable for it."""
    lost = wish.lost.tokens_of(wish.worker)
    head: list[Argument] = [wish.worker, max(wish.limit, 0), int(wish.suspects), len(lost)]
    tasks = rows.tasks((yield Ask("claim", [*head, *lost, *wish.unknown])))
    wish.lost.found(wish.worker, lost)
    return tasks


def lose(lost: Lost, wish: Wish, token: str) -> None:
    """The worker may have claimed something without knowing."""
    lost.claims(wish.worker, token)


def until_due(wish: Wish) -> Talk[float | None]:
    """Seconds until the first task is due that this worker could claim; 0 when one is; None when there is none."""
    due = cast("bytes", (yield Ask("next_due", [wish.worker, int(wish.suspects), *wish.unknown])))
    return int(due) / 1_000_000 if due else None
