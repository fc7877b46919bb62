"""The pages of the demo: the registration with its live list, and the inbox. The script only fetches them again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from afterwards import State, StoreUnavailable
from afterwards.demo.mails import Inbox
from afterwards.demo.people import User, count_users, engine, newest_users
from afterwards.demo.place import mail_server_address, this_place
from afterwards.demo.rows import row
from afterwards.demo.welcome import afterwards

HERE = Path(__file__).parent
ROWS = 40

templates = Jinja2Templates(HERE / "templates")
router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)


def install(app: FastAPI) -> None:
    """Show these pages in the app; what goes wrong in a request is told on the page as well."""
    app.state.inbox = Inbox(this_place())
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)


@router.get("/")
async def registrations(request: Request) -> Response:
    """The form, the switches and the live list."""
    return await _registrations(request)


@router.get("/inbox")
def inbox(request: Request) -> Response:
    """The mails that have arrived."""
    box: Inbox = request.app.state.inbox
    return templates.TemplateResponse(request, "inbox.html", {"mails": box.newest(ROWS), "mail_count": box.count()})


async def _registrations(request: Request, notice: str = "", status: int = 200) -> Response:
    box: Inbox = request.app.state.inbox
    users, user_count = await run_in_threadpool(_users)
    tasks = {task.id: task for task in await afterwards.find(limit=2 * ROWS)}
    census = await afterwards.census()
    page = {
        "notice": notice,
        "rows": [row(user, tasks.get(user.task_id) if user.task_id else None, census.now) for user in users],
        "user_count": user_count,
        "waiting": census.by_state.get(State.WAITING, 0) + census.by_state.get(State.RUNNING, 0),
        "mail_count": await run_in_threadpool(box.count),
        "refuses": box.refuses,
        "mail_server": "{}:{}".format(*mail_server_address()),
        "process": os.getpid(),
    }
    return templates.TemplateResponse(request, "registrations.html", page, status_code=status)


def _users() -> tuple[Sequence[User], int]:
    with Session(engine) as session:
        return newest_users(session, ROWS), count_users(session)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    try:
        answer = await _registrations(request, error.detail, error.status_code)
    except StoreUnavailable:  # then there is nothing to show but that
        answer = PlainTextResponse(error.detail, error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _misunderstood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    what = str(first["loc"][-1]).replace("email", "e-mail").capitalize()
    return await _registrations(request, f"{what}: {first['msg'].removeprefix('Value error, ')}.", 422)
