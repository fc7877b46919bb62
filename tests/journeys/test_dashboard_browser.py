"""The dashboard in a real browser: no complaint on its console, live, by keyboard, on a phone, without its script."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from afterwards import Afterwards, BackgroundTasks, Retry, State
from afterwards.elsewhere import run_elsewhere
from afterwards.outcomes import Ending
from tests import servers
from tests.doors.asgi import served
from tests.doors.dashboards import PAGES, app_of
from tests.doors.diary import PATIENCE
from tests.doors.tried import tried
from tests.journeys.browsers import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


def test_a_long_name_leaves_room_for_its_button_on_a_phone(chromium: Browser, afterwards: Afterwards, address: str):
    for queue in ("mail", "x" * 200):
        afterwards.using(queue=queue, delay=60).add_sync(succeed, "later")
    with opened(chromium, f"{address}/ops/afterwards/", viewport={"width": 390, "height": 800}) as page:
        page.goto("queues")
        button = page.get_by_role("button", name="Pause mail").bounding_box()
        assert button is not None
        assert button["x"] + button["width"] <= 390
        assert page.get_by_role("link", name="default").evaluate("it => it.getClientRects().length") == 1, "in one line"


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
def test_the_tries_of_a_task_stand_one_below_the_other(chromium: Browser, tmp_path: Path, options: dict[str, Any]):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'tried.db'}", worker=False)
    task_id = run_elsewhere(lambda: tried(afterwards.house.store, Ending.DONE, times=3))
    app = app_of(afterwards, lambda request: "all")
    with served(app) as (host, port), opened(chromium, f"http://{host}:{port}", **options) as page:
        page.goto(f"/afterwards/tasks/{task_id}")
        line = page.get_by_role("list", name="What became of it")
        words = ("added", "failed", "asked for a later try", "its process died", "done")
        places = [line.get_by_text(word, exact=True).first.bounding_box() for word in words]
        heights = [place["y"] for place in places if place is not None]
        assert len(heights) == len(words)
        assert heights == sorted(set(heights))
        assert line.locator("li", has_text="waited").count() == 6
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0


def test_what_happens_is_seen_within_a_second(chromium: Browser, address: str, afterwards: Afterwards):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.goto("tasks")
        page.locator("#lamp.live").wait_for()
        took = [seconds_until_seen(page, afterwards, f"it is seen {number}") for number in range(3)]
        assert min(took) < 1.0, "a busy machine may be late, but not each time"
        assert page.locator("tbody tr").count() == 6


def seconds_until_seen(page: Page, afterwards: Afterwards, text: str) -> float:
    page.wait_for_timeout(1_500)  # a change a moment ago may delay the next picture, by what that has cost
    began = time.monotonic()
    afterwards.add_sync(succeed, text)
    page.locator("tbody tr", has_text=text).wait_for()
    return time.monotonic() - began


def test_a_page_rests_while_something_is_selected(chromium: Browser, address: str, afterwards: Afterwards):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.goto("tasks")
        page.locator("#lamp.live").wait_for()
        box = page.locator("tbody input[type=checkbox]").first
        box.check()
        page.locator("[data-selected]", has_text="(1)").wait_for()
        afterwards.add_sync(succeed, "meanwhile")
        page.locator("#lamp", has_text="Paused while you select").wait_for()
        assert page.locator("tbody tr").count() == 3
        box.uncheck()
        page.locator("tbody tr", has_text="meanwhile").wait_for()


def test_nothing_moves_below_a_button_that_is_pressed(chromium: Browser, address: str, afterwards: Afterwards):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.goto("tasks?q=state:failed")
        page.locator("#lamp.live").wait_for()
        run_elsewhere(lambda: afterwards.drain())
        before = page.locator("tbody tr").count()
        page.get_by_role("link", name="Retry …").hover()
        page.mouse.down()
        afterwards.add_sync(fail, "meanwhile", "hunter2!")
        page.wait_for_timeout(1500)  # much longer than a change takes to be seen
        assert page.locator("tbody tr").count() == before
        page.mouse.up()
        page.get_by_role("button", name="Retry").wait_for()


def test_a_task_that_vanishes_stays_to_be_read(chromium: Browser, address: str, afterwards: Afterwards):
    [found] = run_elsewhere(lambda: afterwards.find(limit=1))
    task = run_elsewhere(lambda: afterwards.wait(found.id, timeout=PATIENCE))
    with opened(chromium, f"{address}/ops/afterwards/", complains_of="404") as page:
        page.goto(f"tasks/{task.id}")
        page.locator("#lamp.live").wait_for()
        run_elsewhere(lambda: afterwards.delete(task.id))
        page.locator("#lamp.away", has_text="Not kept any more").wait_for()
        assert page.get_by_role("heading", name="ValueError").is_visible()


def test_while_the_store_is_away_the_last_picture_stays_and_then_it_goes_on(chromium: Browser):
    with servers.valkey(*servers.NOTHING_LOST) as server:
        afterwards = Afterwards(url=server.url, worker=False)
        afterwards.add_sync(succeed, "before")
        app = app_of(afterwards, lambda request: "read")
        with served(app) as (host, port), opened(chromium, f"http://{host}:{port}", complains_of="503") as page:
            page.goto("/afterwards/tasks")
            page.locator("#lamp.live").wait_for()
            server.stop()
            page.locator("#lamp.away", has_text="The store is away").wait_for()
            assert page.locator("tbody tr").count() == 1
            server.start()
            page.locator("#lamp.live").wait_for()
            afterwards.add_sync(succeed, "after")
            page.locator("tbody tr", has_text="after").wait_for()


def test_a_page_that_waited_for_the_store_goes_on_as_soon_as_it_answers(chromium: Browser):
    with servers.valkey() as server:
        assert server.process is not None
        afterwards = Afterwards(url=server.url, worker=False, add_timeout=3.0)
        app = app_of(afterwards, lambda request: "read")
        with served(app) as (host, port), opened(chromium, f"http://{host}:{port}", complains_of="503") as page:
            page.goto("/afterwards/tasks")
            page.locator("#lamp.live").wait_for()
            server.process.send_signal(signal.SIGSTOP)  # it takes connections, and says nothing
            with page.expect_response(lambda answer: answer.status == 503):
                page.evaluate("soon()")
            server.process.send_signal(signal.SIGCONT)
            afterwards.add_sync(succeed, "after")
            page.locator("tbody tr", has_text="after").wait_for()
            page.locator("#lamp.live").wait_for()


def test_a_search_is_completed_word_by_word(chromium: Browser, address: str):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.goto("tasks")
        page.locator("html.has-script").wait_for()
        page.locator("#search").press_sequentially("state:failed err")
        offers = page.evaluate("[...document.querySelector('#search').list.options].map((option) => option.value)")
        assert "state:failed error:ValueError" in offers
        assert "state:failed queue:default" in offers


def test_what_was_done_is_said_once(chromium: Browser, address: str):
    with opened(chromium, f"{address}/ops/afterwards/") as page:
        page.goto("queues")
        page.get_by_role("button", name="Pause default").click()
        page.get_by_text("Paused.", exact=True).wait_for()
        page.locator("html.has-script").wait_for()
        page.reload()
        page.get_by_role("button", name="Resume default").wait_for()
        assert page.get_by_text("Paused.", exact=True).count() == 0


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


@pytest.mark.parametrize("has_script", [True, False], ids=["with its script", "without"])
def test_all_that_wait_are_cancelled(chromium: Browser, address: str, afterwards: Afterwards, has_script: bool):
    run_elsewhere(lambda: afterwards.pause("mail"))
    for number in range(4):
        afterwards.using(queue="mail").add_sync(succeed, f"letter {number}")
    with opened(chromium, f"{address}/ops/afterwards/", java_script_enabled=has_script) as page:
        page.goto("tasks?q=queue:mail")
        page.get_by_role("link", name="Cancel …").press("Enter")
        page.get_by_role("heading", name="Cancel 4 tasks?").wait_for()
        assert how_many(afterwards, State.CANCELLED) == 0, "asking changes nothing"
        page.get_by_role("button", name="Cancel 4").click()
        page.get_by_text("4 tasks cancelled, or asked to stop.").wait_for()
    assert (how_many(afterwards, State.CANCELLED), how_many(afterwards, State.WAITING)) == (4, 0)


@pytest.mark.parametrize("has_script", [True, False], ids=["with its script", "without"])
def test_those_that_are_selected_are_deleted_and_then_the_rest(
    chromium: Browser, address: str, afterwards: Afterwards, has_script: bool
):
    failed = [task.id for task in run_elsewhere(lambda: afterwards.find(limit=3))]
    run_elsewhere(lambda: afterwards.wait_all(failed, timeout=PATIENCE))
    with opened(chromium, f"{address}/ops/afterwards/", java_script_enabled=has_script) as page:
        page.goto("tasks?q=state:failed")
        for place in (0, 2):
            page.locator("tbody input[type=checkbox]").nth(place).check()
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("heading", name="Delete 2 tasks?").wait_for()
        assert how_many(afterwards, State.FAILED) == 3, "asking changes nothing"
        page.get_by_role("button", name="Delete 2").click()
        page.get_by_text("2 tasks deleted.").wait_for()
        assert how_many(afterwards, State.FAILED) == 1
        page.goto("tasks?q=state:failed")
        page.get_by_role("link", name="Delete …").press("Enter")
        page.get_by_role("button", name="Delete 1").click()
        page.get_by_text("1 task deleted.").wait_for()
    assert run_elsewhere(lambda: afterwards.find(limit=3)) == []


def how_many(afterwards: Afterwards, state: State) -> int:
    return run_elsewhere(lambda: afterwards.census()).by_state[state]


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
