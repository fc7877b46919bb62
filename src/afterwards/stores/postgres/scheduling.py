"""What ticks by itself: planned, ticked, and steered by people. A tick and its calls are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from afterwards.schedules import Agenda, Plan, Schedule, Steer, Tick
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.adding import Addition, add
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import TaskId

_STATEMENTS = {
    Steer.PAUSE: "pause_schedule",
    Steer.RESUME: "resume_schedule",
    Steer.RUN: "run_schedule",
    Steer.FORGET: "forget_schedule",
}

Row = tuple[datetime, str | None, str, str, datetime, datetime, bool, bool]


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


async def agenda(transaction: Transaction, _: None) -> Agenda:
    """All of them."""
    found = cast("list[Row]", await transaction.rows("list_schedules"))
    schedules = tuple(_schedule(row[1], row) for row in found if row[1] is not None)
    return Agenda(now=found[0][0].astimezone(UTC), schedules=schedules)


async def plan(transaction: Transaction, planning: Planning) -> None:
    """Make them known, in one order everywhere, since each is locked."""
    for one in sorted(planning.plans, key=lambda plan: plan.name):
        await transaction.execute(
            "plan_schedule", name=one.name, function=one.function, line=one.line, starting=planning.starting
        )


async def tick(transaction: Transaction, ticks: Sequence[Tick]) -> list[TaskId]:
    """Those that nobody has made yet, in one order everywhere, since each is locked."""
    in_order = sorted(ticks, key=lambda tick: tick.schedule)
    calls = tuple([call for one in in_order if await _is_made(transaction, one) for call in one.calls])
    if calls:
        await add(transaction, [Addition(calls=calls)])
    return [call.id for call in calls]


async def steer(transaction: Transaction, steering: Steering) -> bool:
    """As a person wants; whether there is such a schedule."""
    return bool(await transaction.rows(_STATEMENTS[steering.how], name=steering.name))


async def _is_made(transaction: Transaction, tick: Tick) -> bool:
    if tick.by_hand:
        return bool(await transaction.rows("tick_by_hand", name=tick.schedule, line=tick.line))
    after, to = rows.aware(tick.after), rows.aware(tick.to)
    return bool(await transaction.rows("tick", name=tick.schedule, line=tick.line, after=after, to=to))


def _schedule(name: str, row: Row) -> Schedule:
    _, _, function, line, last, seen, paused, asked = row
    return Schedule(
        name=name,
        function=function,
        line=line,
        last=last.astimezone(UTC),
        seen=seen.astimezone(UTC),
        paused=paused,
        asked=asked,
    )
