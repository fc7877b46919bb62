"""Runs a copy of a task: a new one, of the same function with the same arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from afterwards.dashboard.forms import read
from afterwards.errors import UnknownTask
from afterwards.ids import new_id
from afterwards.tasks import Call, Task
from afterwards.visitors import Act

if TYPE_CHECKING:
    from afterwards.dashboard.desk import Desk


def copy_of(task: Task) -> Call:
    """The same call once more, due now. Without key, deadline and place in a line: those belong to the one before.

    A step of a chain takes the same results as that, and nothing waits for it.
    """
    return Call(
        id=new_id(),
        name=task.name,
        arguments=task.arguments,
        queue=task.queue,
        priority=task.priority,
        crashes=task.crashes_allowed,
        retry=task.retry,
        timeout=task.timeout,
        keeps=task.keeps,
        limit_key=task.limit_key,
        link=None if task.link is None else replace(task.link, needs=(), followed=False),
    )


async def act_on_copy(desk: Desk, request: Request) -> Response:
    """Add a copy of one task, with its arguments as they are: also those that are not shown."""
    form = await read(request)
    desk.demand(request, Act.COPY)
    try:
        task = await desk.house.get(UUID(form.one("id")))
    except ValueError as error:
        raise HTTPException(400, "That is no task's id.") from error
    except UnknownTask as error:
        raise HTTPException(404, str(error)) from error
    copy = copy_of(task)
    await desk.house.store.add([copy])
    desk.say(request, Act.COPY, str(task.id), str(copy.id))
    return desk.to(request, f"tasks/{copy.id}", did=Act.COPY)
