"""Orders from the dashboard that cannot be taken back: deleting, and running again what was done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from afterwards import Afterwards, Retry, State
from tests.doors.dashboards import act, app_of, stored
from tests.doors.diary import fail, note


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, lambda request: True), follow_redirects=False) as client:
        yield client


def asked(client: TestClient, **query: Any) -> str:
    """What is asked before it is done."""
    page = client.get("/afterwards/tasks/confirm", params=query).text
    return unescape(re.findall(r"<h1>([^<]*)</h1>", page)[0])


def said_yes(client: TestClient, **query: Any) -> str:
    """The same, done; where it leads."""
    page = client.get("/afterwards/tasks/confirm", params=query).text
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    fields: dict[str, Any] = {name: unescape(value) for name, value in hidden}
    [verb] = re.findall(r'name="verb" value="(\w+)"', page)
    return str(act(client, "tasks", verb=verb, **fields).headers["Location"])


def counts(afterwards: Afterwards) -> dict[State, int]:
    by_state = asyncio.run(afterwards.census()).by_state
    return {state: count for state, count in by_state.items() if count}


def test_what_has_ended_and_matches_is_deleted_after_a_yes(client: TestClient, afterwards: Afterwards):
    stored(afterwards, (fail, "a"), (fail, "b"), (note, "c"))
    asyncio.run(afterwards.using(delay=60).add(note, "d"))
    query = {"verb": "delete", "all": "1", "q": "state:failed"}
    assert asked(client, **query) == "Delete 2 tasks?"
    assert counts(afterwards)[State.FAILED] == 2
    place = said_yes(client, **query)
    assert "2 tasks deleted." in client.get(place).text
    assert counts(afterwards) == {State.DONE: 1, State.WAITING: 1}


def test_what_has_not_ended_is_never_deleted(client: TestClient, afterwards: Afterwards):
    task = asyncio.run(afterwards.using(delay=60).add(note, "a"))
    assert asked(client, verb="delete", all="1") == asked(client, verb="delete", id=str(task.id)) == "Nothing to delete"
    assert act(client, "tasks", verb="delete", id=str(task.id)).headers["Location"].endswith("did=delete&n=0")
    assert counts(afterwards) == {State.WAITING: 1}


def test_one_task_is_deleted_from_its_page_after_a_yes(client: TestClient, afterwards: Afterwards):
    (task, _) = stored(afterwards, (fail, "a"), (fail, "b"))
    page = client.get(f"/afterwards/tasks/{task.id}").text
    [link] = re.findall(r'href="([^"]*)">Delete …', page)
    assert unescape(link) == f"/afterwards/tasks/confirm?verb=delete&id={task.id}"
    assert said_yes(client, verb="delete", id=str(task.id)) == "/afterwards/tasks?did=delete&n=1"
    assert client.get(f"/afterwards/tasks/{task.id}").status_code == 404
    assert counts(afterwards) == {State.FAILED: 1}


def test_all_that_match_run_again_if_they_have_failed_unless_the_search_names_a_state(
    client: TestClient, afterwards: Afterwards
):
    stored(afterwards, (fail, "a"), (fail, "b"), (note, "c"))
    asyncio.run(afterwards.pause("default"))
    for query in ("", "queue:default"):
        assert asked(client, verb="retry", all="1", q=query) == "Retry 2 tasks?"
        assert "those that have failed" in client.get(f"/afterwards/tasks/confirm?verb=retry&all=1&q={query}").text
    assert asked(client, verb="retry", all="1", q="state:done") == "Retry 1 task?"
    assert said_yes(client, verb="retry", all="1", q="queue:default").endswith("did=retry&n=2")
    assert counts(afterwards) == {State.DONE: 1, State.WAITING: 2}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("queues", {"verb": "pause", "name": "a%00b"}),
        ("queues", {"verb": "pause", "name": "%20"}),
        ("queues", {"verb": "pause", "name": "x" * 256}),
        ("schedules", {"verb": "run", "name": "a%00b"}),
        ("tasks", {"verb": "delete", "id": "no-id"}),
        ("tasks", {"verb": "retry", "id": "00000000-0000-0000-0000-000000000007", "back": "no-id"}),
        ("tasks", {"verb": "delete", "all": "1", "until": "9999-12-31T23:59:59.999999+00:00"}),
        ("tasks", {"verb": "delete", "all": "1", "until": "soon"}),
    ],
    ids=repr,
)
def test_what_no_page_of_ours_sends_is_refused_in_words(
    client: TestClient, afterwards: Afterwards, path: str, fields: dict[str, Any]
):
    stored(afterwards, (note, "a"))
    answer = act(client, path, **fields)
    assert answer.status_code == 400
    assert "That cannot be done" in answer.text
    assert "hexadecimal" not in answer.text
    assert counts(afterwards) == {State.DONE: 1}
    assert asyncio.run(afterwards.census()).paused == ()
