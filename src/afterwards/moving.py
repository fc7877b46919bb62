"""Carries the waiting tasks of one store into another. Never deletes a task that the other has not made durable.

Each batch is received there, and only then forgotten here. Killed in between, a task is in both; carried once more, it
is still there once, since the ids that a store knows change nothing. So a move may be killed at any moment and begun
again. What it cannot bear is a worker that runs, here, what is there already: it refuses to begin beside one, and
stops when one comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from afterwards.errors import CannotMove
from afterwards.links import Link, sources
from afterwards.store import Store
from afterwards.tasks import Search, SignedOn, State, Task, TaskId

FIRST_BATCH, LARGEST_BATCH = 100, 1_000
BYTES_AT_ONCE = 8 * 1024 * 1024  # of arguments, so that a batch of large calls is not more than memory can hold
_RESCUED_AT_ONCE = 1_000
_NAMED = 3


Tell = Callable[[int, int], None]  # how many tasks have been carried, of how many that waited at the beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """What there is to carry: waiting tasks, and the names of paused queues; and what stays, since it has ended."""

    tasks: int
    paused: tuple[str, ...]
    ended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How many tasks left the source, and how many of them an earlier, broken move had brought over before."""

    tasks: int = 0
    brought_before: int = 0

    def and_then(self, more: Moved) -> Moved:
        """Both together."""
        return Moved(tasks=self.tasks + more.tasks, brought_before=self.brought_before + more.brought_before)


async def look(source: Store) -> Cargo:
    """What there is to carry. Raises CannotMove where workers forbid it; rescues nothing."""
    census = await source.census()
    alive = [worker for worker in census.workers if worker.expires >= census.now]
    _refuse_workers(source, alive, max((worker.expires - census.now for worker in alive), default=None))
    return Cargo(
        tasks=census.by_state.get(State.WAITING, 0),
        paused=census.paused,
        ended=sum(count for state, count in census.by_state.items() if state.ended),
    )


async def move(source: Store, destination: Store, *, tell: Tell = lambda _, __: None) -> tuple[Cargo, Moved]:
    """Carry all waiting tasks of `source`, and its pauses, into `destination`; both are open.

    What is left of workers whose lease has run out is rescued first. `tell` is called after each batch. Raises
    CannotMove, StoreUnavailable; what was carried by then has arrived, and the next move goes on.
    """
    if source.identity == destination.identity:
        raise CannotMove(f"{source.description} and {destination.description} are one and the same store")
    await _rescue(source)
    cargo = await look(source)
    await _refuse_running(source)
    for queue in cargo.paused:
        await destination.pause(queue, paused=True)
    return cargo, await _carry_all(source, destination, lambda carried: tell(carried, cargo.tasks))


async def _carry_all(source: Store, destination: Store, tell: Callable[[int], None]) -> Moved:
    moved, limit = Moved(), FIRST_BATCH
    while tasks := await source.hand_over(limit=limit):
        _refuse_workers(source, await source.workers())
        moved = moved.and_then(await _carry(source, destination, tasks))
        tell(moved.tasks)
        limit = next_limit(tasks)
    return moved


async def _carry(source: Store, destination: Store, tasks: Sequence[Task]) -> Moved:
    """One batch: received, then forgotten."""
    new = set(await destination.receive(await _with_results(source, tasks)))
    gone = set(await source.forget([task.id for task in tasks]))
    await _refuse_stayed(source, [task.id for task in tasks if task.id not in gone])
    return Moved(tasks=len(gone), brought_before=len(gone - new))


async def _with_results(source: Store, tasks: Sequence[Task]) -> list[Task]:
    """Steps of chains need no more what is done here and stays; they bring the results that they take of it."""
    needed = {id for task in tasks if task.link is not None for id in task.link.needs}
    found = await source.find(Search(ids=tuple(needed)), limit=len(needed)) if needed else []
    done = {task.id: task.returned for task in found if task.state is State.DONE}
    return [task if task.link is None else replace(task, link=_shortened(task.link, done)) for task in tasks]


def _shortened(link: Link, done: Mapping[TaskId, str | None]) -> Link:
    given = {id: text for id in sources(link.source) if (text := done.get(id)) is not None}
    return replace(link, needs=tuple(id for id in link.needs if id not in done), given={**link.given, **given})


def next_limit(tasks: Sequence[Task]) -> int:
    """How many to carry next: as many as make up the bytes of a batch, if they are like these."""
    size = sum(len(task.arguments) for task in tasks) // len(tasks)
    return max(1, min(BYTES_AT_ONCE // max(size, 1), LARGEST_BATCH))


async def _rescue(source: Store) -> None:
    while len(await source.rescue(known_dead=(), expired=True, limit=_RESCUED_AT_ONCE)) == _RESCUED_AT_ONCE:
        pass  # others write in between


def _refuse_workers(source: Store, workers: Sequence[SignedOn], lease: timedelta | None = None) -> None:
    if not workers:
        return
    named = ", ".join(f"{worker.label} (process {worker.pid})" for worker in workers[:_NAMED])
    more = f" and {len(workers) - _NAMED} more" if len(workers) > _NAMED else ""
    when = "" if lease is None else f", in {math.ceil(lease.total_seconds())} s at most"
    raise CannotMove(
        f"workers are signed on in {source.description}: {named}{more}. Stop them, and the apps that have one inside, "
        f"and move again; one that was killed counts until its lease has run out{when}"
    )


async def _refuse_running(source: Store) -> None:
    running = await source.find(Search(state=State.RUNNING), limit=_NAMED)
    if running:
        raise CannotMove(
            f"tasks are running in {source.description}, such as {running[0].id}, and a move carries only waiting "
            "ones, in their order: let them end, and move again. `afterwards list --state running` shows them"
        )


async def _refuse_stayed(source: Store, stayed: Sequence[TaskId]) -> None:
    """They were waiting a moment ago. Those that are not there any more were forgotten by another move."""
    found = await source.find(Search(ids=tuple(stayed)), limit=len(stayed)) if stayed else []
    if found:
        named = ", ".join(f"{task.id} ({task.state})" for task in found[:_NAMED])
        raise CannotMove(
            f"{len(found)} tasks were claimed or cancelled in {source.description} while they were carried, so that "
            f"they are in both stores now: {named}. Stop what works there, and move again"
        )
