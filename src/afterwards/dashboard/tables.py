"""The pages that are tables: tasks, errors, queues, schedules, workers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from afterwards.dashboard.charts import chart
from afterwards.dashboard.completing import completions
from afterwards.dashboard.pulse import LATE
from afterwards.dashboard.ranking import RANKS, ranked
from afterwards.dashboard.sampling import alike
from afterwards.dashboard.searching import Found, Query, find, parse
from afterwards.names import parted
from afterwards.quotas import Quota, of_queue
from afterwards.schedules import shown
from afterwards.tasks import Census, Search, State, Task, TaskId
from afterwards.throughput import AMONG, LATELY

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

ROWS = 50
FAILURES = 2_000
RUNNING = 1_000


async def tasks(desk: Desk, request: Request) -> Response:
    """What matches, fifty to a page: the newest first, or in another order."""
    asked, problem = request.query_params, ""
    text, order = asked.get("q", ""), asked.get("by", "")
    skip = int(asked["skip"]) if re.fullmatch("[0-9]{1,4}", asked.get("skip", "")) else 0
    more: str | None = None
    try:
        query = parse(text)
        if rank := RANKS.get(order):
            found, goes_on = await ranked(desk, query, rank, skip=skip, limit=ROWS)
            more = f"skip={skip + ROWS}" if goes_on else None
        else:
            found = await find(desk.house.store, desk.redaction, query, limit=ROWS, after=_id(asked.get("after")))
            more = f"after={found.older}" if found.older else None
    except ValueError as error:
        query, problem = Query(text=text), str(error)
        found = Found(tasks=[], older=None, looked=0)
    census = await desk.pulse.census()
    return await desk.page(
        request,
        "tasks.html",
        "tasks",
        query=query,
        problem=problem,
        found=found,
        order=order if order in RANKS else "",
        is_later=bool(asked.get("after") or skip),
        more=more,
        known=known(query, census),
        terms=completions(census, found.tasks, desk.house.registry.known_names()),
    )


def known(query: Query, census: Census) -> int | None:
    """How many match, where the store counts them: by state, and what waits by queue. Nobody estimates the rest."""
    search = query.search
    if not query.is_exact or search != Search(state=search.state, queue=search.queue):
        return None
    if search.queue is None:
        return census.by_state.get(search.state, 0) if search.state else sum(census.by_state.values())
    return census.waiting_by_queue.get(search.queue, 0) if search.state is State.WAITING else None


def _id(text: str | None) -> TaskId | None:
    try:
        return None if not text else UUID(text)
    except ValueError:
        raise ValueError("there is no such page: the search can begin anew") from None


async def errors(desk: Desk, request: Request) -> Response:
    """The newest failures, those together that are alike."""
    now = (await desk.pulse.counted()).now
    failed = await desk.house.store.find(Search(state=State.FAILED), limit=FAILURES)
    groups = await run_in_threadpool(lambda: alike(failed, now=now))
    drawn = [(desk.redaction.task(group.latest), group, chart(group.trend)) for group in groups]
    return await desk.page(request, "errors.html", "errors", groups=drawn, looked=len(failed), most=FAILURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A queue, with its quota if the code of this process declares one. `ended` is how many did lately."""

    name: str
    waiting: int
    running: int
    ended: int
    paused: bool
    quota: Quota | None


async def queues(desk: Desk, request: Request) -> Response:
    """What waits where, and how fast it goes."""
    census = await desk.pulse.census()
    lately = await desk.house.store.throughput(within=LATELY, limit=AMONG)
    running = await _running(desk, lambda task: task.queue)
    quotas = {quota.name: quota for quota in desk.house.registry.quotas()}
    limited = [name.partition(":")[2] for name in quotas if name.startswith("queue:")]
    rows = [
        QueueRow(
            name=name,
            waiting=census.waiting_by_queue.get(name, 0),
            running=running[name],
            ended=lately.of(name),
            paused=name in census.paused,
            quota=quotas.get(of_queue(name)),
        )
        for name in sorted({*census.waiting_by_queue, *census.paused, *running, *lately.by_queue, *limited, "default"})
    ]
    functions = {
        parted(name.partition(":")[2])[0]: quota for name, quota in quotas.items() if name.startswith("function:")
    }
    deepest = max(1, *(row.waiting for row in rows))
    return await desk.page(
        request,
        "queues.html",
        "queues",
        rows=rows,
        deepest=deepest,
        functions=sorted(functions.items()),
        length=lately.length,
        is_cut=lately.length < LATELY,
        among=AMONG,
    )


async def schedules(desk: Desk, request: Request) -> Response:
    """What ticks when."""
    return await desk.page(request, "schedules.html", "schedules", schedules=shown(await desk.house.store.agenda()))


async def workers(desk: Desk, request: Request) -> Response:
    """Who works, where, and how much."""
    running = await _running(desk, lambda task: task.worker)
    counted = await desk.house.store.tallies()
    return await desk.page(request, "workers.html", "workers", running=running, counted=counted, late=LATE)


async def actions(desk: Desk, request: Request) -> Response:
    """What people did in this process."""
    return await desk.page(request, "actions.html", "actions", minutes=desk.minutes.newest, since=desk.minutes.since)


async def _running(desk: Desk, by: Callable[[Task], str | None]) -> Counter[str]:
    """How many run by queue, or by worker."""
    found = await desk.house.store.find(Search(state=State.RUNNING), limit=RUNNING)
    return Counter(by(task) or "" for task in found)
