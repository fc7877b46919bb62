"""What becomes of steps of chains, once what they wait for has ended or waits again. Pure: chains.py reads and writes.

Each step that is moved may move others. All of that is followed here, in memory, so that a chain of any length is
written at once.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from afterwards.links import Link
from afterwards.tasks import State, TaskId
from afterwards.turns import turn_of


class Step(NamedTuple):
    """A task of a chain. `after`: what it waits for, or what it was cancelled for."""

    id: TaskId
    after: TaskId | None
    link: Link


@dataclass(slots=True)
class Moves:
    """What is to be written: who waits for what next, who may start, and who never will and since which task.

    Each goes back to one of the tasks from which all began: its root. `states` are those that are known by the end.
    """

    states: dict[TaskId, State]
    roots: dict[TaskId, TaskId]
    waiting: dict[TaskId, TaskId] = field(default_factory=dict[TaskId, TaskId])
    broken: dict[TaskId, TaskId] = field(default_factory=dict[TaskId, TaskId])
    free: list[TaskId] = field(default_factory=list[TaskId])

    def reasons(self) -> set[TaskId]:
        """The tasks on whose state it depends, so that they must not change meanwhile."""
        return {*self.waiting.values(), *self.broken.values()}


def moves_on(steps: Iterable[Step], ended: Collection[TaskId], states: Mapping[TaskId, State]) -> Moves:
    """These have ended: what follows for those that wait for them."""
    moves = Moves(states=dict(states), roots={id: id for id in ended})
    behind = _by_former(steps)
    over = deque(ended)
    while over:
        former = over.popleft()
        for step in behind.pop(former, ()):
            turn = turn_of(step.link, moves.states)
            moves.roots[step.id] = moves.roots[former]
            moves.waiting.pop(step.id, None)
            if turn.waits_for is not None:
                moves.waiting[step.id] = turn.waits_for
                behind[turn.waits_for].append(step)  # which may be cancelled before all is said
            elif turn.broken_by is not None:
                moves.broken[step.id] = turn.broken_by
                moves.states[step.id] = State.CANCELLED
                over.append(step.id)
            else:
                moves.free.append(step.id)
    return moves


@dataclass(slots=True)
class Again:
    """What is to be written: of the steps that were asked for those that may start again, and all that wait, for what.

    `held` are those of them that were asked for.
    """

    free: list[TaskId] = field(default_factory=list[TaskId])
    held: list[TaskId] = field(default_factory=list[TaskId])
    waiting: dict[TaskId, TaskId] = field(default_factory=dict[TaskId, TaskId])


def moves_again(
    asked: Sequence[TaskId], steps: Mapping[TaskId, Step], broken: Collection[TaskId], states: Mapping[TaskId, State]
) -> Again:
    """These steps, which have ended, are to wait again: which of them may, and which of the `broken` do so too."""
    moves, states = Again(), dict(states)
    behind = _by_former(steps[id] for id in broken)
    for id in asked:
        turn = turn_of(steps[id].link, states)
        if not states[id].ended or turn.broken_by is not None:
            continue
        if turn.waits_for is None:
            moves.free.append(id)
        else:
            moves.held.append(id)
            moves.waiting[id] = turn.waits_for
        states[id] = State.WAITING
        moves.waiting |= _revived(id, behind, states)
    return moves


def _revived(id: TaskId, behind: Mapping[TaskId, Sequence[Step]], states: dict[TaskId, State]) -> dict[TaskId, TaskId]:
    """This waits again: so does what was cancelled because of it, each for what is said here."""
    revived: dict[TaskId, TaskId] = {}
    again = [id]
    while again:
        for step in behind.get(again.pop(), ()):
            turn = turn_of(step.link, states)
            if states[step.id].ended and turn.waits_for is not None:
                revived[step.id] = turn.waits_for
                states[step.id] = State.WAITING
                again.append(step.id)
    return revived


def _by_former(steps: Iterable[Step]) -> defaultdict[TaskId, list[Step]]:
    found: defaultdict[TaskId, list[Step]] = defaultdict(list)
    for step in steps:
        if step.after is not None:
            found[step.after].append(step)
    return found
