"""What the contract's tests are made of: calls, cards, and short ways to bring a task into a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.outcomes import Ending, Outcome, done
from afterwards.store import Store
from afterwards.tasks import Call, Claim, Failure, Search, Task, TaskId, WorkerCard, WorkerId

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=15)
EVERYTHING = 1000


class TimedStore(Store, Protocol):
    """A store whose clock tests may advance."""

    clock_offset: timedelta


def a_call(**options: object) -> Call:
    """A call with a new id; whatever is not said has its default."""
    return replace(Call(id=new_id(), name="tests:work", arguments='{"n": 1}'), **options)  # type: ignore[arg-type]  # as said


def some_calls(count: int, **options: object) -> list[Call]:
    return [a_call(**options) for _ in range(count)]


def a_line(count: int, **options: object) -> list[Call]:
    """Calls of one request: each after the one before it."""
    line: list[Call] = []
    for call in some_calls(count, **options):
        line.append(replace(call, after=line[-1].id) if line else call)
    return line


def linked(calls: Sequence[Call], needs: Sequence[Sequence[int]], *, anyway: Sequence[int] = ()) -> list[Call]:
    """One chain of these calls: `needs` says, by their places, what each of them needs."""
    chain, steps = calls[0].id, list[Call]()
    followed = {place for some in needs for place in some}
    for place, (call, some) in enumerate(zip(calls, needs, strict=True)):
        needed = tuple(calls[one].id for one in some)
        link = Link(
            chain=chain, needs=needed, source=needed or None, anyway=place in anyway, followed=place in followed
        )
        steps.append(replace(call, link=link, after=needed[-1] if needed else None))
    return steps


def a_chain(count: int, **options: object) -> list[Call]:
    return linked(some_calls(count, **options), [[place - 1] if place else [] for place in range(count)])


def a_group(count: int, **options: object) -> list[Call]:
    """Members, and one that needs them all."""
    return linked(some_calls(count + 1, **options), [*[[]] * count, range(count)])


def a_card(worker: str = "worker", **options: object) -> WorkerCard:
    card = WorkerCard(id=WorkerId(worker), host="host", pid=1, label="label", lease=LEASE)
    return replace(card, **options)  # type: ignore[arg-type]  # as said


async def sign_on(store: Store, worker: str = "worker", **options: object) -> WorkerId:
    card = a_card(worker, **options)
    await store.sign_on(card)
    return card.id


async def claim_all(store: Store, worker: WorkerId, *, limit: int = EVERYTHING, suspects: bool = True) -> list[Task]:
    return await store.claim(worker, limit=limit, suspects=suspects)


async def a_running_task(store: Store, worker: WorkerId, **options: object) -> Task:
    """Added and claimed by `worker`, whatever else waits."""
    call = a_call(**options)
    [added] = await store.add([call], claimed_by=worker)
    assert added.claimed is not None, "nothing claimed it: is the worker signed on?"
    return added.claimed


async def crash(store: Store, task_id: TaskId) -> None:
    """Let a worker die under the waiting task."""
    casualty = await sign_on(store, f"casualty {task_id}")
    claimed = await claim_all(store, casualty)
    assert task_id in ids_of(claimed), "the task was not claimable"
    await store.settle([outcome(task.claim, Ending.RETURNED) for task in claimed if task.id != task_id])
    await store.rescue(known_dead=[casualty], expired=False, limit=EVERYTHING)


async def the_task(store: Store, task_id: TaskId) -> Task:
    [task] = await store.find(Search(ids=(task_id,)), limit=1)
    return task


async def end_all(store: Store, tasks: Sequence[Task]) -> None:
    settled = await store.settle([done(task.claim) for task in tasks])
    assert len(settled.held) == len(tasks)


def outcome(claim: Claim, ending: Ending, **options: object) -> Outcome:
    """A run that ended so; an error where such an ending has one."""
    error = a_failure() if ending in (Ending.FAILED, Ending.RETRIED, Ending.UNKNOWN) else None
    return replace(Outcome(claim=claim, ending=ending, error=error), **options)  # type: ignore[arg-type]  # as said


def a_failure(message: str = "it went wrong") -> Failure:
    return Failure(kind="ValueError", message=message, traceback="File ...")


def ids_of(things: Sequence[Call] | Sequence[Task]) -> list[TaskId]:
    return [thing.id for thing in things]


def above(instants: Sequence[float], count: int, period: float) -> list[float]:
    """Where more than `count` of these instants lie within one period."""
    ordered = sorted(instants)
    return [first for first, last in zip(ordered, ordered[count:], strict=False) if last - first < period]
