"""Takes the pictures of the dashboard: each page light, dark and on a phone. `python3 dev.py shots [part of a name …]`.

It needs Chromium; what the letters look like depends on the fonts of the machine.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from afterwards import Afterwards, State, Task, Visitor
from afterwards.dashboard.gate import COOKIE
from docs.images.shop import ShiftedStore, fill
from tests.doors.asgi import served
from tests.journeys.browsers import browser, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
PLACE = "/afterwards/"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}, "is_mobile": True},
}
STEERED = (
    ("ada", "queues", "resume", "newsletter"),
    ("grace", "queues", "pause", "newsletter"),
    ("ada", "schedules", "run", "warm the cache"),
    ("grace", "tasks", "retry", ""),
    ("ada", "tasks", "cancel", ""),
)


def main(wanted: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        afterwards = Afterwards(url=f"sqlite:///{folder}/shop.db", worker=False)
        afterwards.queue("pictures", limit=4)
        afterwards.queue("mail", rate="600/minute")
        tasks = asyncio.run(_filled(afterwards))
        app = Starlette(routes=[Mount(PLACE.rstrip("/"), afterwards.dashboard(auth=_who))])
        with served(app) as (host, port), browser() as chromium:
            place = f"http://{host}:{port}{PLACE}"
            _steer(chromium, place, tasks)
            for name, path in _pages(tasks).items():
                for look, options in LOOKS.items():
                    if all(part in f"{name}-{look}" for part in wanted):
                        _shoot(chromium, place, path, HERE / f"{name}-{look}.png", options)


async def _filled(afterwards: Afterwards) -> list[Task]:
    store = cast("ShiftedStore", afterwards.house.store)
    await fill(store)
    tasks = await afterwards.find(limit=2_000)
    await store.close()
    return tasks


def _pages(tasks: Sequence[Task]) -> dict[str, str]:
    failed = next(task for task in tasks if task.state is State.FAILED and task.queue == "payments")
    running = next(task for task in tasks if task.state is State.RUNNING and task.progress)
    return {
        "overview": "",
        "tasks": "tasks?q=queue:mail",
        "task": f"tasks/{failed.id}",
        "running": f"tasks/{running.id}",
        "errors": "errors",
        "queues": "queues",
        "schedules": "schedules",
        "workers": "workers",
        "actions": "actions",
        "confirm": "tasks/confirm?verb=retry&all=1&q=state:failed+queue:pictures",
    }


def _who(request: Request) -> Visitor:
    return Visitor(name=request.headers.get("x-user", "ada"))


def _steer(chromium: Browser, place: str, tasks: Sequence[Task]) -> None:
    """What the page of actions shows."""
    failed = [task for task in tasks if task.state is State.FAILED and task.queue == "mail"]
    waiting = [task for task in tasks if task.state is State.WAITING and task.queue == "newsletter"]
    ids = {"retry": failed[-1], "cancel": waiting[0]}
    for user, path, verb, name in STEERED:
        context = chromium.new_context(extra_http_headers={"x-user": user, "sec-fetch-site": "same-origin"})
        context.request.get(place)
        token = next(cookie.get("value", "") for cookie in context.cookies() if cookie.get("name") == COOKIE)
        chosen = str(ids[verb].id) if verb in ids else ""
        form: dict[str, str | float | bool] = {"token": token, "verb": verb, "name": name, "id": chosen}
        assert context.request.post(f"{place}act/{path}", form=form).ok
        context.close()


def _shoot(chromium: Browser, place: str, path: str, file: Path, options: dict[str, Any]) -> None:
    with opened(chromium, place, reduced_motion="reduce", bypass_csp=True, **options) as page:
        page.goto(path)
        page.add_style_tag(content="html { scrollbar-gutter: auto }")  # the place of a bar that is not in the picture
        _settled(page)
        page.screenshot(path=file, full_page=True, clip=_upper_part(page, options))
    print(f"{file.name}  {file.stat().st_size / 1024:.0f} KB")


def _settled(page: Page) -> None:
    page.locator("h1").first.wait_for(state="attached")
    if page.locator("#lamp").count():
        page.locator("#lamp.live").wait_for()


def _upper_part(page: Page, options: dict[str, Any]) -> Any:
    width = options["viewport"]["width"]
    height = page.evaluate("document.documentElement.scrollHeight")
    return {"x": 0, "y": 0, "width": width, "height": min(height, 1_000)}


if __name__ == "__main__":
    main(sys.argv[1:])
