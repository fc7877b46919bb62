"""What axe-core has against the dashboard: nothing, on any page, by day, by night and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from afterwards import Afterwards, Visitor
from afterwards.elsewhere import run_elsewhere
from tests.doors.asgi import served
from tests.doors.dashboards import PAGES, app_of
from tests.doors.hostile import PLAIN, fill
from tests.journeys.axe import complaints, program

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}},
}


@pytest.fixture(scope="module")
def axe() -> str:
    return program()


def by_header(request: Request) -> Visitor | None:
    may = request.headers.get("may", "all")
    return None if may == "nothing" else Visitor(may=may, name="ada")


@pytest.fixture(scope="module", params=["full", "empty"])
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Where the dashboard is, and the pages that it has: of a store with tasks in every state, or with nothing."""
    afterwards = Afterwards(url=f"sqlite:///{tmp_path_factory.mktemp('axe') / 'tasks.db'}", worker=False)
    paths = [*PAGES, "tasks?q=nothing+like+it", "tasks?q=state:asleep", "nonsense"]
    if request.param == "full":
        strangers = run_elsewhere(lambda: fill(afterwards.house.store, PLAIN))
        paths += [f"tasks/{task_id}" for task_id in strangers.ids]
    with served(app_of(afterwards, by_header)) as (host, port):
        yield f"http://{host}:{port}/afterwards/", paths


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_stumbles(chromium: Browser, axe: str, pages: tuple[str, list[str]], look: str):
    assert stumbling_blocks(chromium, axe, pages, **LOOKS[look]) == {}


@pytest.mark.parametrize("may", ["read", "nothing"])
def test_nobody_stumbles_who_may_less(chromium: Browser, axe: str, pages: tuple[str, list[str]], may: str):
    assert stumbling_blocks(chromium, axe, pages, extra_http_headers={"may": may}) == {}


def stumbling_blocks(chromium: Browser, axe: str, pages: tuple[str, list[str]], **options: Any) -> dict[str, Any]:
    """What axe-core has against each page, also what it does not call serious."""
    place, paths = pages
    context = chromium.new_context(base_url=place, reduced_motion="reduce", **options)
    page = context.new_page()
    found: dict[str, Any] = {}
    for path in paths:
        page.goto(path)
        if against := complaints(page, axe):
            found[path or "the overview"] = against
    context.close()
    return found


def test_it_would_be_found_out(chromium: Browser, axe: str):
    page = chromium.new_page()
    page.set_content("<html><body><img src=x><p style='color:#ccc;background:#fff'>pale</p><input></body></html>")
    found = {one["id"] for one in complaints(page, axe)}
    page.close()
    assert {"image-alt", "color-contrast", "label"} <= found
