"""The switches of the demo: make the mail server refuse, kill the app, try a task again."""

from __future__ import annotations

import os
import signal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse

from afterwards import UnknownTask
from afterwards.demo.welcome import afterwards

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows knows no SIGKILL, and its SIGTERM is one

router = APIRouter(default_response_class=RedirectResponse, include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the switches to the app."""
    app.include_router(router)


@router.post("/mail-server", status_code=303)
def turn_mail_server(request: Request, refuses: Annotated[bool, Form()]) -> str:
    """From now on the mail server refuses every mail, or accepts them again."""
    request.app.state.inbox.refuse(refuses=refuses)
    return "/"


@router.post("/kill")
def kill() -> None:
    """End this process as `kill -9` does: no answer, no goodbye. The demo starts it again."""
    os.kill(os.getpid(), KILL)


@router.post("/tasks/{task_id}/retry", status_code=303)
async def retry(task_id: UUID) -> str:
    """Try a task again that was given up."""
    try:
        await afterwards.retry(task_id)
    except UnknownTask as error:
        raise HTTPException(404, "This task is not kept any more.") from error
    return "/"
