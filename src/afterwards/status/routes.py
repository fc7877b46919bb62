"""The routes of the status: FastAPI's where that is installed, so that they stand in its docs; else Starlette's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, Router

from afterwards.status.desk import StatusDesk

if TYPE_CHECKING:
    from fastapi import APIRouter

STATUS = "afterwards_status"
SCRIPT = Path(__file__).with_name("afterwards.js")


def router(desk: StatusDesk, *, may_cancel: bool) -> Router:
    """`/afterwards.js`, `/{task_id}` and `/{task_id}/events`; DELETE of a task only if somebody may cancel it."""
    if find_spec("fastapi") is not None:
        return _of_fastapi(desk, may_cancel=may_cancel)
    return _of_starlette(desk, may_cancel=may_cancel)


def script() -> Response:
    """The script for the browser, which may keep it, but asks whether it is still the same."""
    return FileResponse(SCRIPT, media_type="text/javascript", headers={"cache-control": "no-cache"})


def _of_fastapi(desk: StatusDesk, *, may_cancel: bool) -> APIRouter:
    from fastapi import APIRouter

    routes = APIRouter(tags=["tasks"])
    routes.add_api_route("/afterwards.js", script, include_in_schema=False)

    @routes.get("/{task_id}", name=STATUS, responses=_ANSWERS)
    async def task_status(request: Request, task_id: UUID) -> Response:
        """How far a background task is."""
        return await desk.show(request, task_id)

    @routes.get("/{task_id}/events", responses=_STREAM)
    async def task_events(request: Request, task_id: UUID) -> Response:
        """The same as server-sent events: at once, and at each change, until the task has ended."""
        return await desk.stream(request, task_id)

    if may_cancel:

        @routes.delete("/{task_id}", responses=_ANSWERS)
        async def cancel_task(request: Request, task_id: UUID) -> Response:
            """Cancel a background task, or ask one that runs to stop."""
            return await desk.cancel(request, task_id)

    return routes


def _of_starlette(desk: StatusDesk, *, may_cancel: bool) -> Router:
    async def show(request: Request) -> Response:
        return await desk.show(request, request.path_params["task_id"])

    async def stream(request: Request) -> Response:
        return await desk.stream(request, request.path_params["task_id"])

    async def cancel(request: Request) -> Response:
        return await desk.cancel(request, request.path_params["task_id"])

    async def send_script(request: Request) -> Response:
        return script()

    routes = [
        Route("/afterwards.js", send_script),
        Route("/{task_id:uuid}", show, name=STATUS),
        Route("/{task_id:uuid}/events", stream),
    ]
    return Router([*routes, Route("/{task_id:uuid}", cancel, methods=["DELETE"])] if may_cancel else routes)


_EXAMPLE = {"id": "…", "state": "running", "attempt": 1, "progress": None}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": _EXAMPLE}}},
    404: {"description": "No such task: it was never stored, or ended long ago"},
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": 'event: task\nid: 5f…\ndata: {"state": "done", …}\n\n'}}},
    204: {"description": "It has ended, and the Last-Event-ID says that you know"},
    404: _ANSWERS[404],
}
