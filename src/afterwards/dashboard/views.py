"""The overview, and the page of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from afterwards.dashboard.charts import chart
from afterwards.dashboard.pulse import LATE, mark_of
from afterwards.dashboard.sampling import frames, paces, ran, slots, waited
from afterwards.dashboard.showing import length, line
from afterwards.errors import UnknownTask
from afterwards.tallies import Tally
from afterwards.tasks import Census, Search, State, Task, TaskId, WorkerId
from afterwards.timeline import story

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

SAMPLE = 1_000
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
SLOTS = 60
ROWS = 8
MOST_NEEDS = 20


async def overview(desk: Desk, request: Request) -> Response:
    """What is going on, what is stuck and why, and how fast it goes."""
    counted = await desk.pulse.counted()
    census, now = counted.census, counted.now
    sample = await desk.house.store.find(Search(), limit=SAMPLE)  # of which only names and times are shown
    failed = await desk.house.store.find(Search(state=State.FAILED), limit=ROWS)
    span = request.query_params.get("span", "hour")
    since = _since(sample, now, SPANS.get(span, SPANS["hour"]))
    recent = [task for task in sample if task.ended is None or task.ended >= since]
    return await desk.page(
        request,
        "overview.html",
        "",
        troubles=troubles(census, await desk.house.store.tallies()),
        sample=len(sample),
        since=since,
        span=span if span in SPANS else "hour",
        spans=list(SPANS),
        chart=chart(slots(sample, since=since, now=now, count=SLOTS)),
        by_function=paces(recent, lambda task: task.name)[:ROWS],
        by_queue=paces(recent, lambda task: task.queue)[:ROWS],
        failures=[desk.redaction.task(task) for task in failed],
    )


def _since(sample: Sequence[Task], now: datetime, span: timedelta) -> datetime:
    """So long ago, or where the sample begins if it is full and does not reach so far."""
    if len(sample) < SAMPLE:
        return now - span
    return max(now - span, min(sample[-1].added, now - timedelta(seconds=SLOTS)))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is stuck, and why, in words. One that is not bad is as somebody wanted it."""

    text: str
    is_bad: bool = True


def troubles(census: Census, tallies: Mapping[WorkerId, Tally]) -> list[Trouble]:
    """All that is stuck. Pure."""
    found: list[Trouble] = []
    if not census.workers and census.by_state.get(State.WAITING):
        found.append(
            Trouble(
                "No worker is signed on, so nothing runs. Start the app with its lifespan, or a worker by itself: "
                "afterwards worker main:afterwards"
            )
        )
    for queue in census.paused:
        waiting = census.waiting_by_queue.get(queue, 0)
        if waiting:
            found.append(Trouble(f"The queue {line(queue)} is paused, and {_tasks(waiting)} there.", is_bad=False))
    if census.unknown_names:
        names = ", ".join(map(line, census.unknown_names[:5]))
        found.append(Trouble(f"No worker knows {names}: its tasks wait until one comes that has it."))
    leaving = [line(worker.label) for worker in census.workers if worker.leaving]
    if leaving:
        found.append(Trouble(f"{', '.join(leaving)} has stopped, but some of its threads still run."))
    late = {worker: length(tally.lag) for worker, tally in tallies.items() if tally.lag >= LATE}
    for worker in census.workers:
        if worker.id in late:
            says = f"was {late[worker.id]} late: some async code there takes long"
            found.append(Trouble(f"The event loop of {line(worker.label)} {says}."))
    return found


def _tasks(count: int) -> str:
    return "1 task waits" if count == 1 else f"{count:,} tasks wait"


async def one_task(desk: Desk, request: Request) -> Response:
    """Everything that is known about one."""
    task_id = request.path_params["task_id"]
    try:
        found = await desk.house.get(task_id)
    except UnknownTask as error:
        return await desk.refuse(request, "There is no such task", str(error), 404)
    task = desk.redaction.task(found)
    steps = frames(task.error.traceback) if task.error else []
    former = None if task.link is not None else task.after
    before = await _found(desk, () if former is None else (former,))
    needs = () if task.link is None else task.link.needs
    kept = await _found(desk, needs[:MOST_NEEDS])
    return await desk.page(
        request,
        "task.html",
        "tasks",
        task=task,
        seen=mark_of(found),
        former=former,
        before=before[0] if before else None,
        needs=kept,
        needs_gone=len(needs[:MOST_NEEDS]) - len(kept),
        needs_more=len(needs[MOST_NEEDS:]),
        waited=waited(task),
        ran=ran(task),
        story=story(task),
        frames=steps,
        shown_frame=next((step for step in reversed(steps) if not step.is_foreign), steps[-1] if steps else None),
    )


async def _found(desk: Desk, ids: tuple[TaskId, ...]) -> list[Task]:
    """Those of these that are stored, in the order in which they were added."""
    found = await desk.house.store.find(Search(ids=ids), limit=len(ids)) if ids else []
    return [desk.redaction.task(task) for task in reversed(found)]
