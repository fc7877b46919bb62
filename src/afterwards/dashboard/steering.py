"""What people do from the dashboard: retry and cancel, one, some or all that match; queues; schedules."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from afterwards.dashboard.forms import read
from afterwards.dashboard.searching import Query, find, parse
from afterwards.schedules import Steer
from afterwards.tasks import Search, State, Task, TaskId

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

VERBS = {"retry": (State.DONE, State.FAILED, State.CANCELLED), "cancel": (State.WAITING, State.RUNNING)}
MOST = 10_000  # in one go
AT_ONCE = 500
SHOWN = 10
SAID = 20  # ids that an event names


async def confirm(desk: Desk, request: Request) -> Response:
    """Counts what an order would change, shows some of it, and asks. Changes nothing."""
    query = request.query_params
    verb, everything = query.get("verb", ""), query.get("all") == "1"
    _check(desk, request, verb)
    try:
        wanted = parse(query.get("q", "")) if everything else _these(query.getlist("id"))
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    count, until, some = 0, None, list[Task]()
    async with aclosing(_changeable(desk, wanted, verb, None)) as parts:
        async for part in parts:
            until = until or max(task.added for task in part)
            some += part[: SHOWN - len(some)]
            count += len(part)
    return await desk.page(
        request,
        "confirm.html",
        "tasks",
        verb=verb,
        count=count,
        most=MOST,
        some=some,
        query=wanted.text,
        ids=[] if everything else query.getlist("id"),
        until=until,
        steady=True,
    )


async def act_on_tasks(desk: Desk, request: Request) -> Response:
    """Retry or cancel; all that match are those that were counted, and none that came since."""
    form = await read(request)
    verb, everything = form.one("verb"), form.one("all") == "1"
    _check(desk, request, verb)
    try:
        wanted = parse(form.one("q")) if everything else _these(form.all("id"))
        until = _instant(form.one("until"))
        back = f"tasks/{UUID(form.one('back'))}" if form.one("back") else "tasks"
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    changed: list[TaskId] = []
    async with aclosing(_changeable(desk, wanted, verb, until)) as parts:
        async for part in parts:
            ids = [task.id for task in part]
            store = desk.house.store
            changed += await (store.retry(ids) if verb == "retry" else store.cancel(ids))
    _say(desk, request, verb, changed)
    return desk.to(request, back, q=None if form.one("back") else wanted.text, did=verb, n=len(changed))


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except OverflowError as error:
        raise ValueError(f"{text} is beyond what clocks can count") from error


def _say(desk: Desk, request: Request, verb: str, changed: list[TaskId]) -> None:
    subjects = [str(task_id) for task_id in changed[:SAID]]
    more = [f"and {len(changed) - SAID} more"] if len(changed) > SAID else []
    desk.say(request, verb, *subjects, *more)


async def act_on_queue(desk: Desk, request: Request) -> Response:
    """Pause or resume it."""
    form = await read(request)
    verb, name = form.one("verb"), unquote(form.one("name"))  # quoted, since browsers change ends of lines
    if verb not in ("pause", "resume") or not name:
        raise HTTPException(400, "A queue can be paused or resumed.")
    desk.demand(request, verb)
    await desk.house.store.pause(name, paused=verb == "pause")
    desk.say(request, verb, name)
    return desk.to(request, "queues", did=verb)


async def act_on_schedule(desk: Desk, request: Request) -> Response:
    """Pause or resume it, let it run once, or forget it."""
    form = await read(request)
    verb, name = form.one("verb"), unquote(form.one("name"))
    if verb not in set(Steer):
        raise HTTPException(400, "A schedule can be paused, resumed, run or forgotten.")
    desk.demand(request, verb)
    if not await desk.house.store.steer(name, Steer(verb)):
        raise HTTPException(404, "There is no schedule of this name any more.")
    desk.say(request, verb, name)
    return desk.to(request, "schedules", did=verb)


def _check(desk: Desk, request: Request, verb: str) -> None:
    if verb not in VERBS:
        raise HTTPException(400, "Tasks can be retried or cancelled.")
    desk.demand(request, verb)


def _these(ids: list[str]) -> Query:
    return Query(search=Search(ids=tuple(UUID(id) for id in ids)))


async def _changeable(desk: Desk, wanted: Query, verb: str, until: datetime | None) -> AsyncGenerator[list[Task]]:
    """Redacted tasks that match and that the verb would change, in parts, `MOST` at most; none added after `until`."""
    count, after = 0, None
    if wanted.search.ids == ():
        return
    while True:
        found = await find(desk.house.store, desk.redaction, wanted, limit=AT_ONCE, after=after)
        tasks = [task for task in found.tasks if task.state in VERBS[verb] and (until is None or task.added <= until)]
        part = tasks[: MOST - count]
        count += len(part)
        if part:
            yield part
        if found.older is None or found.is_cut or count >= MOST:
            return
        after = found.older
