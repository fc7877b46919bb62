"""The overview: how far back it looks, and by what it counts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from afterwards import Afterwards, Retry
from tests.doors.dashboards import app_of, stored, stored_ago
from tests.doors.diary import fail, note


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False, retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, lambda request: True)) as client:
        yield client


def ended(page: str) -> tuple[str, str, str]:
    """In which time, how many were done, how many failed."""
    [time] = re.findall(r'id="ended">Ended in the last <time[^>]*>([^<]*)<', page)
    done, failed = re.findall(r'<b class="numbers">([^<]*)</b>', page)
    return time, done, failed


def by_function(page: str) -> list[tuple[str, str]]:
    """How many tasks each has."""
    return re.findall(r'title="tests.doors.diary:(\w+)".*?<td class="r">(\d+)</td>', page, re.DOTALL)


def test_it_looks_back_an_hour_or_a_day(client: TestClient, afterwards: Afterwards):
    stored_ago(afterwards, timedelta(hours=5), (note, "a"), (note, "b"), (fail, "c"))
    stored(afterwards, (note, "d"))
    hour, day = (client.get(f"/afterwards/{query}").text for query in ("", "?span=day"))
    assert [ended(hour), ended(day)] == [("1 h", "1", "0"), ("1 d", "3", "1")]
    assert ended(client.get("/afterwards/?span=eternity").text) == ended(hour)
    rows = [
        re.findall(r'title="tests.doors.diary:(\w+)".*?<td class="r">(\d+)</td>', page, re.DOTALL)
        for page in (hour, day)
    ]
    assert rows == [[("note", "1")], [("note", "3"), ("fail", "1")]]


def test_where_nothing_has_ended_it_says_so(client: TestClient, afterwards: Afterwards):
    stored_ago(afterwards, timedelta(hours=5), (note, "a"))
    page = client.get("/afterwards/").text
    assert ended(page) == ("1 h", "0", "0")
    assert page.count("Nothing in this time.") == 2


def test_what_waits_counts_however_old_it_is(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.pause("default"))
    stored_ago(afterwards, timedelta(hours=5), (note, "a"))
    assert re.search(
        r'title="tests.doors.diary:note".*?<td class="r">1</td>', client.get("/afterwards/").text, re.DOTALL
    )
