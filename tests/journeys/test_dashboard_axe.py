"""What axe-core has against the dashboard: nothing, on any page, by day, by night and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest
from starlette.requests import Request

from afterwards import Afterwards, Visitor
from afterwards.elsewhere import run_elsewhere
from afterwards.outcomes import Ending
from afterwards.store import Store
from afterwards.tasks import TaskId
from tests.doors.asgi import served
from tests.doors.dashboards import PAGES, app_of
from tests.doors.hostile import PLAIN, fill
from tests.doors.tried import tried
from tests.journeys.axe import complaints, program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

Look: TypeAlias = "tuple[Literal['light', 'dark'], ViewportSize]"

pytestmark = pytest.mark.browser

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 800}
BY_DAY: dict[str, Look] = {"by day": ("light", WIDE)}
LOOKS: dict[str, Look] = {**BY_DAY, "by night": ("dark", WIDE), "on a phone": ("light", NARROW)}


@pytest.fixture(scope="module")
def axe() -> str:
    return program()


def by_header(request: Request) -> Visitor | None:
    may = request.headers.get("may", "all")
    return None if may == "nothing" else Visitor(may=may, name="ada")


@pytest.fixture(scope="module")
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Where the dashboard is, and the pages that it has: of a store with tasks in every state, or with nothing."""
    afterwards = Afterwards(url=f"sqlite:///{tmp_path_factory.mktemp('axe') / 'tasks.db'}", worker=False)
    paths = [*PAGES, "tasks?q=nothing+like+it", "tasks?q=state:asleep", "nonsense"]
    if request.param == "full":
        with_tries = run_elsewhere(lambda: all_tried(afterwards.house.store))
        strangers = run_elsewhere(lambda: fill(afterwards.house.store, PLAIN))
        paths += [f"tasks/{task_id}" for task_id in [*with_tries, *strangers.ids]]
    with served(app_of(afterwards, by_header)) as (host, port):
        yield f"http://{host}:{port}/afterwards/", paths


async def all_tried(store: Store) -> list[TaskId]:
    return [await tried(store, ending) for ending in (Ending.DONE, Ending.FAILED, None)]


@pytest.mark.parametrize(("pages", "looks"), [("full", LOOKS), ("empty", BY_DAY)], indirect=["pages"])
def test_nobody_stumbles(chromium: Browser, axe: str, pages: tuple[str, list[str]], looks: dict[str, Look]):
    assert stumbling_blocks(chromium, axe, pages, looks) == {}


@pytest.mark.parametrize("pages", ["full"], indirect=True)
@pytest.mark.parametrize("may", ["read", "nothing"])
def test_nobody_stumbles_who_may_less(chromium: Browser, axe: str, pages: tuple[str, list[str]], may: str):
    assert stumbling_blocks(chromium, axe, pages, BY_DAY, extra_http_headers={"may": may}) == {}


def stumbling_blocks(
    chromium: Browser, axe: str, pages: tuple[str, list[str]], looks: dict[str, Look], **options: Any
) -> dict[tuple[str, str], Any]:
    """What axe-core has against each page, also what it does not call serious."""
    place, paths = pages
    context = chromium.new_context(base_url=place, reduced_motion="reduce", **options)
    page = context.new_page()
    found: dict[tuple[str, str], Any] = {}
    for path in paths:
        page.goto(path)
        for name, (scheme, size) in looks.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size(size)
            if against := complaints(page, axe):
                found[path or "the overview", name] = against
    context.close()
    return found


def test_it_would_be_found_out(chromium: Browser, axe: str):
    page = chromium.new_page()
    page.set_content("<html><body><img src=x><p style='color:#ccc;background:#fff'>pale</p><input></body></html>")
    found = {one["id"] for one in complaints(page, axe)}
    page.close()
    assert {"image-alt", "color-contrast", "label"} <= found
