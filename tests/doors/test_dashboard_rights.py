"""The dashboard's rights, one by one; the copy of a task; and what it says of who did what."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from afterwards import Afterwards, Retry, Task, Visitor
from afterwards.events import Steered
from afterwards.schedules import Plan
from afterwards.visitors import Act
from tests.doors.dashboards import PAGES, act, app_of, by_header, stored, token
from tests.doors.diary import diary, fail, note

PLAN = Plan(name="sweep", function="main:sweep", line="every 3600 s")


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, by_header), follow_redirects=False) as client:
        client.headers["may"] = "all"
        yield client


def orders(task: Task, other: Task) -> dict[Act, tuple[str, dict[str, Any]]]:
    """A form for each action."""
    this, schedule = {"id": str(task.id)}, {"name": "sweep"}
    return {
        Act.RETRY: ("tasks", {"verb": "retry"} | this),
        Act.CANCEL: ("tasks", {"verb": "cancel"} | this),
        Act.DELETE: ("tasks", {"verb": "delete", "id": str(other.id)}),
        Act.COPY: ("copy", this),
        Act.PAUSE: ("queues", {"verb": "pause", "name": "mail"}),
        Act.RESUME: ("schedules", {"verb": "resume"} | schedule),
        Act.RUN: ("schedules", {"verb": "run"} | schedule),
        Act.FORGET: ("schedules", {"verb": "forget"} | schedule),
    }


@pytest.mark.parametrize("may", list(Act))
def test_who_may_do_one_thing_does_that_and_nothing_else(client: TestClient, afterwards: Afterwards, may: Act):
    tasks = stored(afterwards, (fail, "a"), (fail, "b"))
    asyncio.run(afterwards.house.store.plan([PLAN], starting=True))
    client.headers["may"] = may
    answers = {action: act(client, path, **fields).status_code for action, (path, fields) in orders(*tasks).items()}
    assert answers == {action: 303 if action is may else 403 for action in Act}


def test_what_is_refused_changes_nothing_and_is_said(client: TestClient, afterwards: Afterwards):
    (task,) = stored(afterwards, (fail, "a"))
    client.headers["may"] = "pause"
    answer = act(client, "tasks", verb="retry", id=str(task.id))
    assert "has not given you the right to retry" in answer.text
    assert client.get(f"/afterwards/tasks/confirm?verb=retry&id={task.id}").status_code == 403
    assert asyncio.run(afterwards.get(task.id)) == task


@pytest.mark.parametrize(
    ("may", "expected"),
    [
        ("read", set()),
        ("retry", {"Retry", "Retry …", "Retry all …"}),
        ("cancel", {"Cancel", "Cancel …"}),
        ("copy", {"Run a copy"}),
        ("delete", {"Delete", "Delete …"}),
        ("pause", {"Pause"}),
        ("run", {"Run now"}),
    ],
)
def test_pages_offer_what_the_visitor_may_do(client: TestClient, afterwards: Afterwards, may: str, expected: set[str]):
    (task,) = stored(afterwards, (fail, "a"))
    asyncio.run(afterwards.house.store.plan([PLAN], starting=True))
    client.headers["may"] = may
    pages = [client.get(f"/afterwards/{page}").text for page in [*PAGES[:-1], f"tasks/{task.id}"]]
    found = re.findall(r"<(?:button|a class=.button)[^>]*>([^<]*)<", "".join(pages))
    assert set(found) - {"Search", "Show"} == expected
    assert may == "read" or f"may look, {may}" in pages[0]


# A copy


def test_a_copy_is_a_new_task_with_the_same_arguments(client: TestClient, afterwards: Afterwards):
    (task,) = stored(afterwards, (note, "copied"))
    diary.clear()
    answer = act(client, "copy", id=str(task.id))
    place = answer.headers["Location"]
    assert re.fullmatch(r"/afterwards/tasks/[0-9a-f-]{36}\?did=copy", place)
    assert str(task.id) not in place
    diary.wait_for("copied")
    assert "This is the copy" in client.get(place).text
    assert asyncio.run(afterwards.get(task.id)) == task


def test_a_copy_has_its_options_but_neither_key_nor_deadline(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.pause("mail"))
    options: dict[str, Any] = {"queue": "mail", "priority": 7, "timeout": 9, "retry": Retry(attempts=2, crashes=1)}
    kept = asyncio.run(afterwards.using(**options, key="one", deadline=60, keep_result=True).add(note, "a"))
    place = act(client, "copy", id=str(kept.id)).headers["Location"]
    original = asyncio.run(afterwards.get(kept.id))
    (copy,) = [task for task in asyncio.run(afterwards.find()) if str(task.id) in place]
    assert copy.id != original.id
    assert (copy.key, copy.deadline) == (None, None)
    for name in ("name", "arguments", "queue", "priority", "timeout", "retry", "crashes_allowed", "keeps", "limit_key"):
        assert getattr(copy, name) == getattr(original, name), name


@pytest.mark.parametrize(
    ("task_id", "status"), [("seven", 400), ("", 400), ("00000000-0000-0000-0000-000000000007", 404)]
)
def test_what_is_no_task_has_no_copy(client: TestClient, afterwards: Afterwards, task_id: str, status: int):
    assert act(client, "copy", id=task_id).status_code == status
    assert asyncio.run(afterwards.find()) == []


# Who did what


def test_every_action_stands_on_a_page_and_in_the_log_with_who_did_it(
    client: TestClient, afterwards: Afterwards, caplog: pytest.LogCaptureFixture
):
    task, other = stored(afterwards, (fail, "a"), (fail, "b"))
    asyncio.run(afterwards.house.store.plan([PLAN], starting=True))
    assert "Nobody has done anything yet" in client.get("/afterwards/actions").text
    said: list[Steered] = []
    afterwards.hear(said.append, Steered)  # type: ignore[arg-type]  # it hears no other kind
    asyncio.run(afterwards.pause("default"))
    with caplog.at_level(logging.INFO, "afterwards"):
        for path, fields in orders(task, other).values():
            act(client, path, **fields)
    assert [event.verb for event in said] == list(Act)
    assert {event.by for event in said} == {"ada"}
    page = client.get("/afterwards/actions").text
    verbs = re.findall(r'<th scope="row">ada</th>\s*<td>(\w+)<', page)
    assert verbs == list(reversed(Act)), "the newest first"
    assert f'href="/afterwards/tasks/{task.id}"' in page
    lines = [record.getMessage() for record in caplog.records if ", by ada" in record.getMessage()]
    assert [line.split(":")[0] for line in lines] == list(Act)


def test_what_changed_nothing_is_no_action(client: TestClient, afterwards: Afterwards):
    (task,) = stored(afterwards, (note, "a"))
    act(client, "tasks", verb="cancel", id=str(task.id))
    assert "Nobody has done anything yet" in client.get("/afterwards/actions").text


def test_the_page_keeps_the_newest_and_says_that_it_forgets(client: TestClient):
    send = {"token": token(client), "name": "mail", "verb": "pause"}
    for _ in range(205):
        client.post("/afterwards/act/queues", data=send, headers={"Sec-Fetch-Site": "same-origin"})
    page = client.get("/afterwards/actions").text
    assert page.count("<td>pause<") == 200
    assert "a restart forgets it" in page


def test_a_name_cannot_forge_a_line_of_the_log(afterwards: Afterwards, caplog: pytest.LogCaptureFixture):
    forger = Visitor(name="ada\nERROR root: all is lost\u202e")
    with (
        TestClient(app_of(afterwards, lambda request: forger), follow_redirects=False) as client,
        caplog.at_level(logging.INFO, "afterwards"),
    ):
        assert act(client, "queues", verb="pause", name="mail\r\n\x1b[31mforged").status_code == 303
        page = client.get("/afterwards/actions").text
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("pause")]
    assert line == r"pause: mail\r\n\x1b[31mforged, by ada\nERROR root: all is lost\u202e"
    assert r"ada\nERROR root: all is lost\u202e" in page
