"""Strangers' words in a real browser: nothing of them runs, asks another host, or breaks out of its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from afterwards import Afterwards, Visitor
from afterwards.elsewhere import run_elsewhere
from tests.doors.asgi import served
from tests.doors.dashboards import PAGES, app_of
from tests.doors.hostile import WORDS, Strangers, fill
from tests.journeys.browsers import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

BLANK = '<!doctype html><title>.</title><link rel="icon" href="data:,">'


@pytest.fixture(scope="module")
def afterwards(tmp_path_factory: pytest.TempPathFactory) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'tasks.db'}", worker=False)


@pytest.fixture(scope="module")
def strangers(afterwards: Afterwards) -> dict[str, Strangers]:
    async def filled() -> dict[str, Strangers]:
        return {name: await fill(afterwards.house.store, word) for name, word in WORDS.items()}

    return run_elsewhere(filled)


@pytest.fixture(scope="module")
def address(afterwards: Afterwards, strangers: dict[str, Strangers]) -> Iterator[str]:
    app = app_of(afterwards, lambda request: Visitor(name=WORDS["markup"]))
    app.include_router(afterwards.status_router(auth=lambda request: "read"), prefix="/tasks")
    with served(app) as (host, port):
        yield f"http://{host}:{port}"


def test_pages_full_of_strangers_words_do_nothing_but_show_them(
    chromium: Browser, address: str, strangers: dict[str, Strangers]
):
    tasks = [f"tasks/{each.failed}" for each in strangers.values()] + [f"tasks/{strangers['a megabyte'].running}"]
    with opened(chromium, f"{address}/afterwards/") as page:
        for path in [*PAGES, *tasks]:
            page.goto(path)
            page.locator("h1").first.wait_for(state="attached")
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 800})
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, f"{path or 'the overview'} must be moved sideways, {width} pixels wide"


def test_what_the_stream_brings_is_as_harmless(chromium: Browser, tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False)
    app = app_of(afterwards, lambda request: True)
    with served(app) as (host, port), opened(chromium, f"http://{host}:{port}/afterwards/") as page:
        page.goto("tasks")
        page.locator("#lamp.live").wait_for()
        page.wait_for_timeout(1500)  # the first look, from which changes count
        run_elsewhere(lambda: fill(afterwards.house.store, WORDS["htmx"]))
        page.locator("tbody tr", has_text="hx-get").first.wait_for()
        page.wait_for_timeout(300)  # in which a request would go out


def test_the_script_of_the_status_reads_every_word(chromium: Browser, address: str, strangers: dict[str, Strangers]):
    with opened(chromium, address) as page:
        page.route("**/blank", lambda route: route.fulfill(body=BLANK, content_type="text/html"))
        page.goto(f"{address}/blank")
        for name, each in strangers.items():
            result = page.evaluate(
                """async (id) => {
                    const { watch } = await import("/tasks/afterwards.js");
                    return await new Promise((done) => watch(id, (task) => done(task.result)));
                }""",
                str(each.done),
            )
            word = WORDS[name].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            assert result in ({word: word, "number": 2**53}, {WORDS[name]: WORDS[name], "number": 2**53}), name
