"""When the turn of a step of a chain has come, and when it never will. Pure: every store does as is said here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from afterwards.links import Link
from afterwards.tasks import Failure, State, TaskId

UNMET = "needs"  # the kind of error with which a step is cancelled that can never start


class Turn(NamedTuple):
    """What a step waits for next, or which task broke its chain. Neither: it may start."""

    waits_for: TaskId | None = None
    broken_by: TaskId | None = None


def turn_of(link: Link, states: Mapping[TaskId, State]) -> Turn:
    """Its turn, by the states of all that it needs; one that is gone is not done.

    It waits for the last of those that have not ended: that often ends last.
    """
    for id in reversed(link.needs):
        if id in states and not states[id].ended:
            return Turn(waits_for=id)
    if link.anyway:
        return Turn()
    return Turn(broken_by=next((id for id in link.needs if states.get(id) is not State.DONE), None))


def unmet(task: TaskId, state: State | None) -> Failure:
    """Why a step is cancelled: `task`, which it needs, is not done."""
    became = "is gone" if state is None else f"has {state}" if state is State.FAILED else f"was {state}"
    return Failure(
        kind=UNMET, message=f"task {task}, which it needs, {became}. Once that is retried, this one waits for it again"
    )
