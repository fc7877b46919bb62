"""The pages that are tables: tasks, errors, queues, schedules, workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from afterwards.dashboard.charts import chart
from afterwards.dashboard.sampling import alike
from afterwards.dashboard.searching import FIELDS, Found, Query, find, parse
from afterwards.schedules import shown
from afterwards.tasks import Search, State, Task, TaskId

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

ROWS = 50
FAILURES = 2_000
RUNNING = 1_000


async def tasks(desk: Desk, request: Request) -> Response:
    """What matches, fifty to a page, the newest first."""
    text, problem = request.query_params.get("q", ""), ""
    try:
        query, after = parse(text), _id(request.query_params.get("after"))
        found = await find(desk.house.store, desk.redaction, query, limit=ROWS, after=after)
    except ValueError as error:
        query, after, problem = Query(text=text), None, str(error)
        found = Found(tasks=[], older=None, looked=0)
    return await desk.page(
        request,
        "tasks.html",
        "tasks",
        query=query,
        problem=problem,
        found=found,
        after=after,
        fields=FIELDS,
    )


def _id(text: str | None) -> TaskId | None:
    try:
        return None if not text else UUID(text)
    except ValueError:
        raise ValueError("there is no such page: the search can begin anew") from None


async def errors(desk: Desk, request: Request) -> Response:
    """The newest failures, those together that are alike."""
    census = await desk.pulse.census()
    failed = await desk.house.store.find(Search(state=State.FAILED), limit=FAILURES)
    groups = await run_in_threadpool(lambda: alike(failed, now=census.now))
    drawn = [(desk.redaction.task(group.latest), group, chart(group.trend)) for group in groups]
    return await desk.page(request, "errors.html", "errors", groups=drawn, looked=len(failed), most=FAILURES)


async def queues(desk: Desk, request: Request) -> Response:
    """What waits where."""
    census = await desk.pulse.census()
    running = await _running(desk, lambda task: task.queue)
    names = sorted({*census.waiting_by_queue, *census.paused, *running, "default"})
    rows = [(name, census.waiting_by_queue.get(name, 0), running[name], name in census.paused) for name in names]
    deepest = max((waiting for _, waiting, _, _ in rows), default=0)
    return await desk.page(request, "queues.html", "queues", rows=rows, deepest=max(deepest, 1))


async def schedules(desk: Desk, request: Request) -> Response:
    """What ticks when."""
    return await desk.page(request, "schedules.html", "schedules", schedules=shown(await desk.house.store.agenda()))


async def workers(desk: Desk, request: Request) -> Response:
    """Who works, where, and how much."""
    running = await _running(desk, lambda task: task.worker)
    return await desk.page(request, "workers.html", "workers", running=running)


async def actions(desk: Desk, request: Request) -> Response:
    """What people did in this process."""
    return await desk.page(request, "actions.html", "actions", minutes=desk.minutes.newest, since=desk.minutes.since)


async def _running(desk: Desk, by: Callable[[Task], str | None]) -> Counter[str]:
    """How many run by queue, or by worker."""
    found = await desk.house.store.find(Search(state=State.RUNNING), limit=RUNNING)
    return Counter(by(task) or "" for task in found)
