"""The dashboard's page of queues: how fast it goes; and how long a task ran."""

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

ROW = re.compile(r'title="(\w+)">\w+</a>.*?<span title="(\d+) in the last ([^"]*)">([^<]*)<', re.DOTALL)


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False, retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, lambda request: True)) as client:
        yield client


def test_of_each_queue_it_is_said_how_many_ended_in_the_last_minutes(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.pause("mail"))
    asyncio.run(afterwards.using(queue="mail").add(note, "waits"))
    stored_ago(afterwards, timedelta(minutes=6), (note, "too long ago"))
    stored(afterwards, *[(note, "done")] * 10, *[(fail, "failed")] * 5)
    page = client.get("/afterwards/queues").text
    assert ROW.findall(page) == [("default", "15", "5 min", "3 a minute"), ("mail", "0", "5 min", "0")]
    assert "in the last 5 min, and are still kept." in page


def test_a_queue_in_which_nothing_waits_any_more_stands_there_too(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.using(queue="quick").add(note, "a"))
    asyncio.run(afterwards.drain())
    found = ROW.findall(client.get("/afterwards/queues").text)
    assert found == [("default", "0", "5 min", "0"), ("quick", "1", "5 min", "0.2 a minute")]


def test_where_much_ended_the_time_is_shorter_and_the_page_says_so(
    client: TestClient, afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("afterwards.dashboard.tables.AMONG", 4)
    for minutes in (2, 1):
        stored_ago(afterwards, timedelta(minutes=minutes), *[(note, "a")] * 3)
    page = client.get("/afterwards/queues").text
    [(queue, ended, length, _)] = ROW.findall(page)
    assert (queue, ended, length) == ("default", "3", "2 min")
    assert "in the last 2 min, the newest 4 that ended, and are still kept." in page


def test_what_ran_at_all_did_not_run_for_nothing(client: TestClient, afterwards: Afterwards):
    [task] = stored(afterwards, (note, "quick"))
    [ran] = re.findall(r"ran ([^<]*)<", client.get(f"/afterwards/tasks/{task.id}").text)
    assert re.fullmatch(r"[1-9]\d* (µs|ms)", ran)
