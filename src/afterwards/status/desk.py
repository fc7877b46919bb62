"""Answers about one task: who asks, what he may know, and how it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from afterwards.errors import UnknownTask
from afterwards.events import Steered
from afterwards.house import House
from afterwards.leaving import server_is_leaving
from afterwards.redaction import Redaction
from afterwards.status.portrait import Portrait, as_event, as_text, brief, full
from afterwards.streaming import BEAT, HEARTBEAT, EventStream, event
from afterwards.tasks import Task, TaskId
from afterwards.visitors import Act, Auth, Visitor, visitor

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
RETRY_LINE = "retry: 1000\n\n"  # milliseconds until a client that was cut off comes again


class StatusDesk:
    """Answers what the router asks. Without `auth` everybody who knows an id is told how far the task is."""

    def __init__(self, house: House, auth: Auth | None, redaction: Redaction) -> None:
        self._house = house
        self._auth = auth
        self._redaction = redaction

    async def show(self, request: Request, task_id: TaskId) -> Response:
        """The task as it stands."""
        portrayed = await self._portrayed(request)
        return _answer(portrayed(await self._task(task_id)))

    async def stream(self, request: Request, task_id: TaskId) -> Response:
        """The task now and at each change, until it has ended. 204, which ends it, to whoever has seen the end."""
        portrayed = await self._portrayed(request)
        task, known = await self._task(task_id), request.headers.get("last-event-id", "")
        if task.state.ended and as_event(portrayed(task))[1] == known:
            return Response(status_code=204)
        return EventStream(self._events(task, portrayed, known))

    async def cancel(self, request: Request, task_id: TaskId) -> Response:
        """A waiting task never runs, a running one is asked to stop; one that has ended stays as it is."""
        who = await self._visitor(request)
        if who is None or not who.can(Act.CANCEL):
            raise HTTPException(403, "This task may be looked at, but not cancelled.")
        await self._task(task_id)
        if await self._house.store.cancel([task_id]):
            self._house.events.say(Steered(verb="cancel", subjects=(str(task_id),), by=who.name))
        return _answer(self._portrait(await self._task(task_id), who))

    async def _events(self, task: Task, portrayed: Callable[[Task], Portrait], known: str) -> AsyncGenerator[str]:
        loop = asyncio.get_running_loop()
        yield RETRY_LINE
        text, mark = as_event(portrayed(task))
        if mark != known:
            yield event("task", text, id=mark)
        known, said = mark, loop.time()
        if task.state.ended:
            return
        async with aclosing(self._house.watcher.follow(task.id)) as looks:
            async for seen in looks:
                if seen is None or server_is_leaving():
                    return
                text, mark = as_event(portrayed(seen))
                if mark != known:
                    yield event("task", text, id=mark)
                    known, said = mark, loop.time()
                elif loop.time() - said >= HEARTBEAT:
                    yield BEAT
                    said = loop.time()
                if seen.state.ended:
                    return

    async def _portrayed(self, request: Request) -> Callable[[Task], Portrait]:
        who = await self._visitor(request)
        return lambda task: self._portrait(task, who)

    def _portrait(self, task: Task, who: Visitor | None) -> Portrait:
        redacted = self._redaction.task(task)
        return brief(redacted) if who is None else full(redacted)

    async def _visitor(self, request: Request) -> Visitor | None:
        """None where everybody may ask."""
        if self._auth is None:
            return None
        who = await visitor(request, self._auth)
        if who is None:
            raise HTTPException(403, "The status of tasks is not for you.")
        return who

    async def _task(self, task_id: TaskId) -> Task:
        try:
            return await self._house.get(task_id)
        except UnknownTask as error:
            raise HTTPException(404, str(error)) from error


def _answer(portrait: Portrait) -> Response:
    return Response(as_text(portrait), media_type="application/json", headers=HEADERS)
