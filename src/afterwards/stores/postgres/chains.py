"""Moves the steps of chains on, when what they wait for has ended or waits again. Decides nothing: turns.py does.

A step is held after one task at a time, and whoever ends a task looks for who is held after it. So that the two do not
miss each other, a task is locked before a step is told to wait for it, or is cancelled for it, and then its state is
looked at once more: if somebody was just ending it, that is seen; and who comes later finds the step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from afterwards import links, stored
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.driver import Row
from afterwards.stores.postgres.steps import Again, Moves, Step, moves_again, moves_on
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import State, Task, TaskId, WorkerId
from afterwards.turns import UNMET, unmet


@dataclass(slots=True)
class _Known:
    """What this transaction has seen. What is `mine` is locked, and its state is as it was left here."""

    steps: dict[TaskId, Step]
    mine: set[TaskId]
    states: dict[TaskId, State] = field(default_factory=dict[TaskId, State])

    def take(self, steps: Mapping[TaskId, Step]) -> None:
        """These have been found, and locked."""
        self.steps |= steps
        self.mine |= steps.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of some steps: those that may start, each with the task whose end let them, and who never will."""

    free: Sequence[tuple[TaskId, Task]] = ()
    broken: Collection[TaskId] = ()


async def move_on(
    transaction: Transaction, ended: Collection[TaskId], *, claimed_by: Mapping[TaskId, WorkerId | None] | None = None
) -> Moved:
    """What waits for these, which have ended and are locked. Who may start is claimed for whoever ended that task."""
    steps = _steps(await transaction.rows("lock_steps", ids=list(ended), all=False))
    if not steps:
        return Moved()
    moves = await _decided(transaction, steps, ended)
    await _hold(transaction, "hold_steps", moves.waiting)
    await _end(transaction, moves)
    free = await _free(transaction, moves, claimed_by or {})
    return Moved(free=[(moves.roots[task.id], task) for task in free], broken=moves.broken.keys())


async def retry(transaction: Transaction, ids: Sequence[TaskId]) -> tuple[list[TaskId], list[TaskId]]:
    """Of these tasks the steps that have ended and may start again, now locked; and those that wait again already.

    What was cancelled because of one of them waits again too.
    """
    found = await transaction.rows("ended_steps", ids=list(ids))
    if not found:
        return [], []
    asked = _steps([row[:-1] for row in found])
    again = await _decided_again(transaction, [id for id in ids if id in asked], asked)
    await _hold(transaction, "hold_again", again.waiting)
    return again.free, again.held


async def lock_needs(transaction: Transaction, tasks: Iterable[Task]) -> dict[TaskId, State]:
    """Of all that these need what is stored here; nobody ends it meanwhile."""
    needs = {id for task in tasks if task.link is not None for id in task.link.needs}
    if not needs:
        return {}
    await transaction.execute("lock_needs", ids=list(needs))
    return await _states(transaction, needs)


async def _decided(transaction: Transaction, steps: Mapping[TaskId, Step], ended: Collection[TaskId]) -> Moves:
    """What becomes of these, and of all that wait for those of them that never start."""
    known = _Known(dict(steps), {*ended, *steps})
    followed: set[TaskId] = set()
    await _look(transaction, known)
    while True:
        moves = moves_on(known.steps.values(), ended, known.states)
        if unsure := moves.reasons() - known.mine:
            await _make_sure(transaction, known, unsure)
        elif behind := moves.broken.keys() - followed:
            followed |= behind
            more = _steps(await transaction.rows("lock_steps", ids=list(behind), all=True))
            if not more.keys() <= known.steps.keys():
                known.take(more)
                await _look(transaction, known)
        else:
            return moves


async def _decided_again(transaction: Transaction, asked: Sequence[TaskId], steps: Mapping[TaskId, Step]) -> Again:
    """Which of these wait again, and what else does because of them."""
    known, broken = _Known(dict(steps), set(steps)), set[TaskId]()
    followed: set[TaskId] = set()
    await _look(transaction, known)
    while True:
        again = moves_again(asked, known.steps, broken, known.states)
        if unsure := {*again.waiting.values()} - known.mine:
            await _make_sure(transaction, known, unsure)
        elif behind := {*again.free, *again.waiting} - followed:
            followed |= behind
            found = await transaction.rows("broken_steps", ids=list(behind))
            more = _steps([row[:-1] for row in found if stored.failure(cast("str", row[-1])).kind == UNMET])
            if not more.keys() <= broken:
                broken |= more.keys()
                known.take(more)
                await _look(transaction, known)
        else:
            return again


async def _make_sure(transaction: Transaction, known: _Known, ids: set[TaskId]) -> None:
    """Lock these, and look again: meanwhile they may have ended, and others too.

    Two may wait for each other here, so nobody waits for long: one of them gives up, and is tried again.
    """
    await transaction.execute("hurry")
    await transaction.execute("lock_needs", ids=list(ids))
    known.mine |= ids
    await _look(transaction, known)


async def _look(transaction: Transaction, known: _Known) -> None:
    """See how everything stands that these steps need, and they themselves."""
    wanted = {*known.steps, *(id for step in known.steps.values() for id in step.link.needs)}
    known.states = await _states(transaction, wanted)


async def _states(transaction: Transaction, ids: Collection[TaskId]) -> dict[TaskId, State]:
    found = cast("list[tuple[UUID, str]]", await transaction.rows("states_among", ids=list(ids)))
    return {rows.own(id): State(state) for id, state in found}


async def _hold(transaction: Transaction, statement: str, waiting: Mapping[TaskId, TaskId]) -> None:
    if waiting:
        await transaction.execute(statement, ids=[*waiting], afters=[*waiting.values()])


async def _end(transaction: Transaction, moves: Moves) -> None:
    if moves.broken:
        errors = [stored.failure_text(unmet(id, moves.states.get(id))) for id in moves.broken.values()]
        await transaction.execute("end_steps", ids=[*moves.broken], afters=[*moves.broken.values()], errors=errors)


async def _free(transaction: Transaction, moves: Moves, claimed_by: Mapping[TaskId, WorkerId | None]) -> list[Task]:
    if not moves.free:
        return []
    claimers = [claimed_by.get(moves.roots[id]) for id in moves.free]
    freed = rows.tasks(
        await transaction.rows(
            "free_steps",
            ids=moves.free,
            claimed_by=claimers,
            claimers=list({claimer for claimer in claimers if claimer is not None}),
        )
    )
    transaction.rings |= any(task.worker is None for task in freed)
    return freed


def _steps(found: Sequence[Row]) -> dict[TaskId, Step]:
    steps: dict[TaskId, Step] = {}
    for id, after, text in cast("list[tuple[UUID, UUID | None, str]]", found):
        link = links.link(text)
        if link is not None:
            steps[rows.own(id)] = Step(rows.own(id), None if after is None else rows.own(after), link)
    return steps
