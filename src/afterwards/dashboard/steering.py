"""What people do from the dashboard: retry, cancel and delete, one, some or all that match; queues; schedules."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from afterwards import checks
from afterwards.dashboard.forms import Form, read
from afterwards.dashboard.searching import Query, find, parse
from afterwards.schedules import Steer
from afterwards.steering import Order, sought, verb_of
from afterwards.tasks import Search, State, Task, TaskId

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

MOST = 10_000  # in one go
AT_ONCE = 200
SHOWN = 10
SAID = 20  # ids that an event names
_A_MOMENT = timedelta(microseconds=1)


async def confirm(desk: Desk, request: Request) -> Response:
    """Counts what an order would change, shows some of it, and asks. Changes nothing."""
    query = request.query_params
    everything = query.get("all") == "1"
    order = _order(desk, request, query.get("verb", ""))
    try:
        wanted = _all(order, query.get("q", "")) if everything else _these(query.getlist("id"))
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    until = (await desk.house.store.agenda()).now
    counted, ids = 0, list[TaskId]()
    async with aclosing(_found(desk, order, wanted, until + _A_MOMENT)) as parts:
        async for part in parts:
            ids += part[: SHOWN - len(ids)]
            counted += len(part)
    return await desk.page(
        request,
        "confirm.html",
        "tasks",
        verb=order.value,
        count=counted,
        most=MOST,
        some=await _shown(desk, ids),
        query=wanted.text,
        only_failed=everything and wanted.search != parse(wanted.text).search,
        ids=[] if everything else query.getlist("id"),
        until=until,
        steady=True,
    )


async def act_on_tasks(desk: Desk, request: Request) -> Response:
    """Retry, cancel or delete; all that match are those that were counted, and none that came since."""
    form = await read(request)
    everything = form.one("all") == "1"
    order = _order(desk, request, form.one("verb"))
    try:
        wanted = _all(order, form.one("q")) if everything else _these(form.all("id"))
        before = _after(form.one("until"))
        back = f"tasks/{_id(form.one('back'))}" if form.one("back") and order is not Order.DELETE else "tasks"
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    changed: list[TaskId] = []
    async with aclosing(_found(desk, order, wanted, before)) as parts:
        async for part in parts:
            changed += await verb_of(desk.house.store, order)(part, matching=wanted.search)
    _say(desk, request, order.value, changed)
    return desk.to(request, back, q=None if form.one("back") else wanted.text, did=order.value, n=len(changed))


def _after(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) + _A_MOMENT if text else None
    except OverflowError as error:
        raise ValueError(f"{text} is beyond what clocks can count") from error


def _say(desk: Desk, request: Request, verb: str, changed: list[TaskId]) -> None:
    subjects = [str(task_id) for task_id in changed[:SAID]]
    more = [f"and {len(changed) - SAID} more"] if len(changed) > SAID else []
    desk.say(request, verb, *subjects, *more)


async def act_on_queue(desk: Desk, request: Request) -> Response:
    """Pause or resume it."""
    form = await read(request)
    verb, name = form.one("verb"), _name(form)
    if verb not in ("pause", "resume"):
        raise HTTPException(400, "A queue can be paused or resumed.")
    desk.demand(request, verb)
    await desk.house.store.pause(name, paused=verb == "pause")
    desk.say(request, verb, name)
    return desk.to(request, "queues", did=verb)


async def act_on_schedule(desk: Desk, request: Request) -> Response:
    """Pause or resume it, let it run once, or forget it."""
    form = await read(request)
    verb, name = form.one("verb"), _name(form)
    if verb not in set(Steer):
        raise HTTPException(400, "A schedule can be paused, resumed, run or forgotten.")
    desk.demand(request, verb)
    if not await desk.house.store.steer(name, Steer(verb)):
        raise HTTPException(404, "There is no schedule of this name any more.")
    desk.say(request, verb, name)
    return desk.to(request, "schedules", did=verb)


def _name(form: Form) -> str:
    """Of a queue or a schedule; quoted, since browsers change ends of lines."""
    try:
        return checks.name(unquote(form.one("name")))
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


def _order(desk: Desk, request: Request, verb: str) -> Order:
    if verb not in set(Order):
        raise HTTPException(400, "Tasks can be retried, cancelled or deleted.")
    desk.demand(request, verb)
    return Order(verb)


def _all(order: Order, text: str) -> Query:
    """What matches. To be retried, those that have failed, unless a state is named: nobody means to run all again."""
    query = parse(text)
    if order is Order.RETRY and query.search.state is None:
        return replace(query, search=replace(query.search, state=State.FAILED))
    return query


def _these(ids: list[str]) -> Query:
    return Query(search=Search(ids=tuple(map(_id, ids))))


def _id(text: str) -> TaskId:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("That is no task's id.") from None


async def _shown(desk: Desk, ids: list[TaskId]) -> list[Task]:
    found = await desk.house.store.find(Search(ids=tuple(ids)), limit=len(ids))
    return [desk.redaction.task(task) for task in found]


async def _found(desk: Desk, order: Order, wanted: Query, before: datetime | None) -> AsyncGenerator[list[TaskId]]:
    """What matches and the order would change, in parts, `MOST` at most; only what was added before."""
    search = replace(wanted.search, added_before=before)
    if wanted.is_exact:
        pages = sought(desk.house.store, order, search, at_once=AT_ONCE, most=MOST)
    else:
        pages = _looked_through(desk, order, replace(wanted, search=search))
    async with aclosing(pages):
        async for part in pages:
            yield part


async def _looked_through(desk: Desk, order: Order, wanted: Query) -> AsyncGenerator[list[TaskId]]:
    """The same where the store alone does not find it."""
    left, after = MOST, None
    while left:
        found = await find(desk.house.store, desk.redaction, wanted, limit=AT_ONCE, after=after)
        part = [task.id for task in found.tasks if task.state in order.states][:left]
        left -= len(part)
        if part:
            yield part
        if found.older is None or found.is_cut:
            return
        after = found.older
