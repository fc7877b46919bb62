"""What open pages are told: at once, if something has changed since they were made; nothing, if nothing has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from http.client import HTTPConnection
from pathlib import Path

import pytest

from afterwards import Afterwards, Retry, TaskHandle
from tests.doors.asgi import served
from tests.doors.dashboards import app_of
from tests.doors.diary import PATIENCE, note
from tests.doors.streams import Stream, stream

Address = tuple[str, int]


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False, retry=Retry.never)


@pytest.fixture
def waiting(afterwards: Afterwards) -> TaskHandle:
    return asyncio.run(afterwards.add(note, "a"))


@pytest.fixture
def address(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    monkeypatch.setattr("afterwards.dashboard.pulse.PAUSE", 0.05)
    monkeypatch.setattr("afterwards.dashboard.pulse.HEARTBEAT", 0.3)
    with served(app_of(afterwards, lambda request: True)) as address:
        yield address


def live_of(address: Address, path: str = "") -> str:
    """Where this page, as it is now, is told of changes."""
    connection = HTTPConnection(*address, timeout=PATIENCE)
    connection.request("GET", f"/afterwards/{path}")
    page = connection.getresponse().read().decode()
    connection.close()
    [place] = re.findall(r'data-live="([^"]+)"', page)
    return unescape(place)


def hears_of_a_change(live: Stream) -> bool:
    """Before long; meanwhile it is said that the stream is still there."""
    return any(next(live).name == "changed" for _ in range(20))


def test_a_page_whose_store_has_changed_since_it_was_made_is_told_at_once(
    address: Address, afterwards: Afterwards, waiting: TaskHandle
):
    for path in ("", f"tasks/{waiting.id}"):
        place = live_of(address, path)
        asyncio.run(afterwards.using(delay=60).add(note, "b") if not path else afterwards.cancel(waiting.id))
        with stream(address, place) as live:
            assert next(live).comment == "still here"
            assert next(live).name == "changed"


def test_a_page_that_has_seen_everything_is_told_nothing_until_something_changes(
    address: Address, afterwards: Afterwards, waiting: TaskHandle
):
    with stream(address, live_of(address)) as first:
        assert hears_of_a_change(first), "nobody had looked before"
    for path in ("", "tasks", f"tasks/{waiting.id}"):
        with stream(address, live_of(address, path)) as live:
            assert [next(live).comment for _ in range(3)] == ["still here"] * 3
    with stream(address, live_of(address)) as live:
        asyncio.run(afterwards.cancel(waiting.id))
        assert hears_of_a_change(live)


def test_what_another_process_has_seen_means_nothing_here(address: Address, waiting: TaskHandle):
    for place in ("/afterwards/live?seen=0123-7", f"/afterwards/live?task={waiting.id}&seen=0123"):
        with stream(address, place) as live:
            assert hears_of_a_change(live)


def test_a_task_of_which_nothing_is_left_is_a_change(address: Address, afterwards: Afterwards, waiting: TaskHandle):
    asyncio.run(afterwards.cancel(waiting.id))
    with stream(address, live_of(address, f"tasks/{waiting.id}")) as live:
        asyncio.run(afterwards.delete(waiting.id))
        assert hears_of_a_change(live)


def test_a_store_that_is_away_from_the_beginning_is_a_change_too():
    app = app_of(Afterwards(url="redis://127.0.0.1:1", worker=False), lambda request: True)
    with served(app) as address, stream(address, "/afterwards/live?seen=0123-7") as live:
        assert hears_of_a_change(live)


def test_the_script_and_the_style_are_sent_once(address: Address):
    for file in ("htmx.js", "dashboard.js", "dashboard.css"):
        connection = HTTPConnection(*address, timeout=PATIENCE)
        connection.request("GET", f"/afterwards/static/{file}")
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["cache-control"] == "no-cache"
        connection.request("GET", f"/afterwards/static/{file}", headers={"if-none-match": answer.headers["etag"]})
        assert connection.getresponse().status == 304
        connection.close()


def test_answers_say_how_long_the_server_took(address: Address):
    connection = HTTPConnection(*address, timeout=PATIENCE)
    connection.request("GET", "/afterwards/")
    assert re.fullmatch(r"page;dur=\d+", connection.getresponse().headers["server-timing"])
    connection.close()
