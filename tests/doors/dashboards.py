"""Dashboards for tests: an app that has one, whom it lets in, what is stored, and the forms that its pages send."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request

from afterwards import Afterwards, Task, Visitor
from docs.images.shop import ShiftedStore

PAGES = ["", "tasks", "errors", "queues", "schedules", "workers", "actions", "tasks/confirm?verb=retry&all=1"]
SAME = {"Sec-Fetch-Site": "same-origin"}


def app_of(afterwards: Afterwards, auth: Any = None, *, debug: bool = False, **options: Any) -> FastAPI:
    app = FastAPI(debug=debug)
    afterwards.install(app)
    app.mount("/afterwards", afterwards.dashboard(auth=auth, **options))
    return app


def by_header(request: Request) -> Visitor | None:
    """The header `may` says what: "read", "all", or some actions."""
    may = request.headers.get("may")
    return Visitor(may=may.split(), name="ada") if may else None


def stored(afterwards: Afterwards, *calls: Any) -> list[Task]:
    """Each call added and run; the tasks, in the order of the calls."""

    async def add() -> list[Task]:
        ids = [(await afterwards.add(function, *args)).id for function, *args in calls]
        await afterwards.drain()
        return [await afterwards.get(task_id) for task_id in ids]

    return asyncio.run(add())


def stored_ago(afterwards: Afterwards, ago: timedelta, *calls: object) -> None:
    """By a store whose clock is late."""
    store = cast("ShiftedStore", afterwards.house.store)
    store.clock_offset = -ago
    stored(afterwards, *calls)
    store.clock_offset = timedelta(0)


def token(client: TestClient) -> str:
    client.get("/afterwards/")
    return client.cookies["afterwards_token"]


def act(client: TestClient, path: str, headers: Mapping[str, str] = SAME, **fields: Any) -> Any:
    """POST a form as the pages do."""
    return client.post(f"/afterwards/act/{path}", data={"token": token(client)} | fields, headers=headers)
