"""What ticks by itself: planned, ticked, and steered by people. A tick and its calls are one write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards import stored
from afterwards.schedules import Agenda, Plan, Schedule, Steer, Tick
from afterwards.stores.sqlite.adding import Addition, add
from afterwards.stores.sqlite.transaction import Transaction
from afterwards.tasks import TaskId

_ABANDONED = timedelta(minutes=1)

_STATEMENTS = {
    Steer.PAUSE: "pause_schedule",
    Steer.RESUME: "resume_schedule",
    Steer.RUN: "run_schedule",
    Steer.FORGET: "forget_schedule",
}

Row = tuple[str, str, str, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What a worker knows."""

    plans: tuple[Plan, ...]
    starting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What a person wants."""

    name: str
    how: Steer


def agenda(transaction: Transaction, _: None) -> Agenda:
    """All of them."""
    found = cast("list[Row]", transaction.rows("list_schedules"))
    return Agenda(now=stored.instant(transaction.now), schedules=tuple(_schedule(row) for row in found))


def plan(transaction: Transaction, planning: Planning) -> None:
    """Make them known."""
    abandoned = stored.earlier(transaction.now, _ABANDONED)
    for one in planning.plans:
        transaction.execute(
            "plan_schedule",
            name=one.name,
            function=one.function,
            line=one.line,
            starting=planning.starting,
            abandoned=abandoned,
        )


def tick(transaction: Transaction, ticks: Sequence[Tick]) -> list[TaskId]:
    """Those that nobody has made yet."""
    calls = tuple(call for one in ticks if _is_made(transaction, one) for call in one.calls)
    if calls:
        add(transaction, [Addition(calls=calls)])
    return [call.id for call in calls]


def steer(transaction: Transaction, steering: Steering) -> bool:
    """As a person wants; whether there is such a schedule."""
    return transaction.execute(_STATEMENTS[steering.how], name=steering.name) > 0


def _is_made(transaction: Transaction, tick: Tick) -> bool:
    if tick.by_hand:
        return transaction.execute("tick_by_hand", name=tick.schedule, line=tick.line) > 0
    after, to = stored.microseconds_at(tick.after), stored.microseconds_at(tick.to)
    return transaction.execute("tick", name=tick.schedule, line=tick.line, after=after, to=to) > 0


def _schedule(row: Row) -> Schedule:
    name, function, line, last, seen, paused, asked = row
    return Schedule(
        name=name,
        function=function,
        line=line,
        last=stored.instant(last),
        seen=stored.instant(seen),
        paused=bool(paused),
        asked=bool(asked),
    )
