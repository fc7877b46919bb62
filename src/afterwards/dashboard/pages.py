"""Which page is where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from afterwards.dashboard import copying, steering, tables, views
from afterwards.dashboard.pulse import SEEN
from afterwards.streaming import EventStream

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk

View = Callable[["Desk", Request], Awaitable[Response]]


def routes(desk: Desk) -> list[BaseRoute]:
    """All pages of one dashboard."""

    def page(path: str, view: View) -> Route:
        async def endpoint(request: Request) -> Response:
            request.scope[SEEN] = desk.pulse.seen  # before anything is read that may change meanwhile
            return await view(desk, request)

        return Route(path, endpoint, methods=["GET"])

    def action(path: str, view: View) -> Route:
        async def endpoint(request: Request) -> Response:
            return await view(desk, request)

        return Route(path, endpoint, methods=["POST"])

    return [
        page("/", views.overview),
        page("/tasks", tables.tasks),
        page("/tasks/confirm", steering.confirm),
        page("/tasks/{task_id:uuid}", views.one_task),
        page("/errors", tables.errors),
        page("/queues", tables.queues),
        page("/schedules", tables.schedules),
        page("/workers", tables.workers),
        page("/actions", tables.actions),
        page("/live", live),
        action("/act/tasks", steering.act_on_tasks),
        action("/act/copy", copying.act_on_copy),
        action("/act/queues", steering.act_on_queue),
        action("/act/schedules", steering.act_on_schedule),
        Mount("/static", StaticFiles(packages=[("afterwards", "dashboard/static")])),
    ]


async def live(desk: Desk, request: Request) -> Response:
    """Says `changed` whenever an open page should be fetched again: at once, if it is not what the page has `seen`."""
    task_id, seen = request.query_params.get("task"), request.query_params.get("seen", "")
    try:
        return EventStream(desk.pulse.beats(None if task_id is None else UUID(task_id), seen))
    except ValueError as error:
        raise HTTPException(400, "That is no task's id.") from error
