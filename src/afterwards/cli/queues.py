"""The commands `pause` and `resume`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from afterwards.app import Afterwards
from afterwards.cli.looking import exists, where
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.trouble import Trouble
from afterwards.cli.words import tasks_that
from afterwards.harmless import harmless


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What became of one queue."""

    name: str
    changed: bool
    paused: bool
    waiting: int


def pause_queues(afterwards: Afterwards, names: Sequence[str], *, json: bool) -> None:
    """Start nothing more from these. Raises Trouble when there is no store."""
    _tell(asyncio.run(_set(afterwards, names, paused=True)), json=json)


def resume_queues(afterwards: Afterwards, names: Sequence[str], *, json: bool) -> None:
    """Let these go on. Raises Trouble when there is no store."""
    _tell(asyncio.run(_set(afterwards, names, paused=False)), json=json)


async def _set(afterwards: Afterwards, names: Sequence[str], *, paused: bool) -> list[Queue]:
    if not exists(afterwards):
        raise Trouble(f"there is no store in {where(afterwards)} yet: the app makes it when it starts")
    store = afterwards.house.store
    try:
        before = await store.census()
        for name in names:
            await store.pause(name, paused=paused)
    finally:
        await store.close()
    return [
        Queue(
            name=name,
            changed=(name in before.paused) is not paused,
            paused=paused,
            waiting=before.waiting_by_queue.get(name, 0),
        )
        for name in names
    ]


def _tell(queues: Sequence[Queue], *, json: bool) -> None:
    if json:
        print_json([_as_json(queue) for queue in queues])
    else:
        print_text("\n".join(f"{harmless(queue.name)}  {_in_words(queue)}" for queue in queues))


def _as_json(queue: Queue) -> dict[str, object]:
    return {"queue": queue.name, "changed": queue.changed, "paused": queue.paused, "waiting": queue.waiting}


def _in_words(queue: Queue) -> str:
    state = "paused" if queue.paused else "not paused"
    told = f"{state} now" if queue.changed else f"unchanged, it is {state}"
    return f"{told}; {tasks_that(queue.waiting, 'waits', 'wait')} in it"
