"""The dashboard in a real browser: no complaint on its console, live, by keyboard, on a phone, without its script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from afterwards import Afterwards, BackgroundTasks, Retry
from afterwards.elsewhere import run_elsewhere
from tests.doors.asgi import served
from tests.doors.dashboards import PAGES
from tests.journeys.browsers import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

BLANK = '<!doctype html><title>.</title><link rel="icon" href="data:,">'


def fail(text: str, password: str) -> None:
    raise ValueError(f"{text}: {password}")


def succeed(text: str) -> None: ...


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def address(afterwards: Afterwards) -> Iterator[str]:
    app = FastAPI(debug=True)
    afterwards.install(app)
    app.mount("/ops/afterwards", afterwards.dashboard())
    app.include_router(afterwards.status_router(), prefix="/tasks")

    @app.get("/page")
    async def page(tasks: BackgroundTasks):
        return afterwards.accepted(tasks.add_task(succeed, "from the page"))

    for number in range(3):
        afterwards.add_sync(fail, f"<img src=x onerror=alert({number})>", "hunter2!")
    with served(app) as (host, port):
        yield f"http://{host}:{port}"


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 800}},
        {"java_script_enabled": False},
    ],
    ids=["light", "dark", "phone", "without its script"],
)
def test_every_page_opens_without_a_complaint(chromium: Browser, address: str, options: dict[str, Any]):
    with opened(chromium, f"{address}/ops/afterwards/", **options) as page:
        for path in PAGES:
            page.goto(path)
            page.locator("h1").first.wait_for(state="attached")
            assert "hunter2" not in page.content()
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path or 'the overview'} must be moved sideways"


def test_what_happens_is_seen_without_loading_the_page_again(chromium: Browser, address: str, afterwards: Afterwards):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.goto("tasks")
        page.locator("#lamp.live").wait_for()
        page.wait_for_timeout(1200)  # the first look, from which changes count
        before = page.locator("tbody tr").count()
        afterwards.add_sync(succeed, "it is seen")
        page.locator("tbody tr", has_text="it is seen").wait_for()
        assert page.locator("tbody tr").count() == before + 1
        page.locator("tbody input[type=checkbox]").first.check()
        page.locator("[data-selected]", has_text="(1)").wait_for()


@pytest.mark.parametrize("has_script", [True, False], ids=["with its script", "without"])
def test_failed_tasks_are_retried_with_the_keyboard(
    chromium: Browser, address: str, afterwards: Afterwards, has_script: bool
):
    with opened(chromium, f"{address}/ops/afterwards/", java_script_enabled=has_script) as page:
        page.goto("tasks")
        if has_script:
            page.locator("html.has-script").wait_for()
            page.keyboard.press("/")
        else:
            page.locator("#search").focus()
        page.keyboard.type("state:failed")
        page.keyboard.press("Enter")
        page.wait_for_url("**/tasks?q=state%3Afailed")
        run_elsewhere(lambda: afterwards.pause("default"))
        page.get_by_role("link", name="Retry …").press("Enter")
        page.get_by_role("button", name="Retry 3").press("Enter")
        page.get_by_text("3 tasks will run again.").wait_for()


def test_the_script_of_the_status_follows_a_task_to_its_end(chromium: Browser, address: str):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.route("**/blank", lambda route: route.fulfill(body=BLANK, content_type="text/html"))
        page.goto(f"{address}/blank")
        states = page.evaluate(
            """async () => {
                const { watch } = await import("/tasks/afterwards.js");
                const { task_id } = await (await fetch("/page")).json();
                return await new Promise((done) => {
                    const seen = [];
                    watch(task_id, (task) => { seen.push(task.state); if (task.state === "done") done(seen); });
                });
            }"""
        )
        assert states[-1] == "done"
