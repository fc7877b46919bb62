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
    """What a worker would take; `lost` are the tokens of what it may have without knowing."""

    worker: WorkerId
    limit: int
    suspects: bool
    unknown: tuple[str, ...]
    lost: tuple[str, ...] = ()


def claim(wish: Wish) -> Talk[list[Task]]:
    """The best of what is claimable for it."""
    head: list[Argument] = [wish.worker, max(wish.limit, 0), int(wish.suspects), len(wish.lost)]
    return rows.tasks((yield Ask("claim", [*head, *wish.lost, *wish.unknown])))


def lose(lost: Lost, wish: Wish, token: str) -> None:
    """The worker may have claimed something without knowing."""
    lost.claims(wish.worker, token)


def until_due(wish: Wish) -> Talk[float | None]:
    """Seconds until the first task is due that this worker could claim; 0 when one is; None when there is none."""
    due = cast("bytes", (yield Ask("next_due", [wish.worker, int(wish.suspects), *wish.unknown])))
    return int(due) / 1_000_000 if due else None
