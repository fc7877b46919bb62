"""Moves the steps of chains on, when what they wait for has ended or waits again. Decides nothing: turns.py does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast
from uuid import UUID

from afterwards import links, stored
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import State, Task, TaskId
from afterwards.turns import UNMET, Turn, turn_of, unmet


class Step(NamedTuple):
    """A task of a chain, with its link as it is stored."""

    sequence: int
    id: str
    link: str


class Moved(NamedTuple):
    """What became of some steps: the sequences of those that may start, and the ids of those that never will."""

    free: set[int]
    ended: list[str]


def move_on(transaction: Transaction, steps: Sequence[Step]) -> Moved:
    """What these waited for has ended. Those that may start are left for the caller to free."""
    if not steps:
        return Moved(set(), [])
    turns, states = _turns(transaction, steps)
    waiting = {step.sequence: turn.waits_for for step, turn in turns if turn.waits_for is not None}
    broken = {step.sequence: turn.broken_by for step, turn in turns if turn.broken_by is not None}
    transaction.spread("hold_steps", [(sequence, str(id)) for sequence, id in waiting.items()])
    errors = {id: stored.failure_text(unmet(id, states.get(id))) for id in broken.values()}
    ended = [(sequence, str(id), errors[id], transaction.now) for sequence, id in broken.items()]
    transaction.spread("end_steps", ended)
    return Moved(
        free={step.sequence for step, _ in turns} - waiting.keys() - broken.keys(),
        ended=[step.id for step, _ in turns if step.sequence in broken],
    )


def may_wait_again(transaction: Transaction, id: TaskId) -> bool | None:
    """Whether an ended task is held again by what it needs, and so waits already; None, if it never could start."""
    for sequence, link in cast("list[tuple[int, str]]", transaction.rows("link_to_retry", id=str(id))):
        [(_, turn)], _ = _turns(transaction, [Step(sequence, str(id), link)])
        if turn.broken_by is not None:
            return None
        if turn.waits_for is not None:
            _hold_again(transaction, sequence, turn.waits_for)
            return True
    return False


def revive(transaction: Transaction, id: TaskId) -> None:
    """This waits again: so does what was cancelled because of it."""
    again = [str(id)]
    while again:
        found = transaction.rows("broken_steps", id=again.pop(), kind=UNMET)
        turns, _ = _turns(transaction, [Step(*row) for row in cast("list[tuple[int, str, str]]", found)])
        for step, turn in turns:
            if turn.waits_for is not None:
                _hold_again(transaction, step.sequence, turn.waits_for)
                again.append(step.id)


def states_of_needs(transaction: Transaction, tasks: Iterable[Task]) -> dict[TaskId, State]:
    """Of all that these need, what is stored here."""
    return _states(transaction, {id for task in tasks if task.link is not None for id in task.link.needs})


def _hold_again(transaction: Transaction, sequence: int, after: TaskId) -> None:
    transaction.execute("hold_again", sequence=sequence, after=str(after))


def _turns(transaction: Transaction, steps: Sequence[Step]) -> tuple[list[tuple[Step, Turn]], dict[TaskId, State]]:
    """The turn of each, and the states of all that they need."""
    known = [(step, link) for step in steps if (link := links.link(step.link)) is not None]
    states = _states(transaction, {id for _, link in known for id in link.needs})
    return [(step, turn_of(link, states)) for step, link in known], states


def _states(transaction: Transaction, ids: Iterable[TaskId]) -> dict[TaskId, State]:
    wanted = [str(id) for id in ids]
    found = transaction.rows("states_among", ids=as_list(wanted)) if wanted else []
    return {UUID(id): State(state) for id, state in cast("list[tuple[str, str]]", found)}
