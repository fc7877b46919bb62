"""The page of a task that was tried more than once: each try, in time; and who is not told of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from afterwards import Afterwards
from afterwards.outcomes import Ending
from afterwards.tasks import MOST_TRIES, TaskId
from tests.contract.builders import claim_all, outcome, sign_on
from tests.doors.dashboards import app_of
from tests.doors.tried import PASSWORD, pay, tried


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    app: FastAPI = app_of(afterwards, lambda request: "read")
    app.include_router(afterwards.status_router(auth=lambda request: "all"), prefix="/tasks")
    with TestClient(app) as client:
        yield client


def line_of(client: TestClient, task_id: TaskId) -> list[str]:
    """What the line in time says, an entry for each of its points, without how long ago it was."""
    page = client.get(f"/afterwards/tasks/{task_id}").text
    found = re.search(r'<ol class="line.*?</ol>', page, re.DOTALL)
    assert found is not None
    points = re.findall(r"<li.*?</li>", re.sub(r"<time[^>]*>[^<]*</time>", "", found[0]), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", point).split()) for point in points]


def without_waits(line: list[str]) -> list[str]:
    return [point for point in line if not re.match("waited ", point)]


MESSAGE = "smtplib.SMTPServerDisconnected: ••• &lt;b&gt;was refused&lt;/b&gt; by the server"
BEFORE = [
    "added",
    f"try 1 failed ran 800 ms {MESSAGE}",
    "try 2 asked for a later try ran 2.0 s",
    "try 2 its process died ran",
]


@pytest.mark.parametrize(
    ("ending", "after"),
    [
        (None, ["try 2 running"]),
        (Ending.DONE, ["try 2 done ran 3.0 s"]),
        (Ending.FAILED, ["try 2 failed ran 3.0 s"]),
        (Ending.RETRIED, [f"try 2 failed ran 3.0 s {MESSAGE}", "waits for a worker"]),
    ],
    ids=str,
)
def test_each_try_is_told_with_what_it_waited_and_how_it_ended(
    client: TestClient, afterwards: Afterwards, ending: Ending | None, after: list[str]
):
    line = line_of(client, asyncio.run(tried(afterwards.house.store, ending)))
    told = [re.sub(r"(died ran) .*", r"\1", point) for point in without_waits(line)]
    assert told == [*BEFORE, *after]
    waits = len(line) - len(told)
    assert waits == len([point for point in told if point.startswith("try")])


def test_what_an_earlier_try_failed_with_is_harmless_and_without_secrets(client: TestClient, afterwards: Afterwards):
    task_id = asyncio.run(tried(afterwards.house.store, Ending.DONE))
    page = client.get(f"/afterwards/tasks/{task_id}").text
    assert PASSWORD not in page
    assert "<b>was refused" not in page
    assert "was refused" in page


def test_a_person_that_retried_it_is_seen(client: TestClient, afterwards: Afterwards):
    task_id = asyncio.run(tried(afterwards.house.store))
    asyncio.run(afterwards.retry(task_id))
    assert without_waits(line_of(client, task_id))[-2:] == [
        f"try 2 failed ran 3.0 s {MESSAGE}",
        "waits for a worker, retried by a person",
    ]

    async def run() -> None:
        await claim_all(afterwards.house.store, await sign_on(afterwards.house.store))

    asyncio.run(run())
    *_, wait, last = line_of(client, task_id)
    assert re.match("retried by a person, waited ", wait)
    assert last == "try 1 running"


def test_one_that_was_cancelled_while_it_waited_ends_so(client: TestClient, afterwards: Afterwards):
    task_id = asyncio.run(tried(afterwards.house.store, Ending.AGAIN))
    asyncio.run(afterwards.cancel(task_id))
    assert without_waits(line_of(client, task_id))[-2:] == [
        f"try 2 asked for a later try ran 3.0 s {MESSAGE}",
        "cancelled",
    ]


def test_of_many_tries_it_says_that_the_first_are_not_kept(client: TestClient, afterwards: Afterwards):
    task_id = asyncio.run(tried(afterwards.house.store, times=MOST_TRIES))
    line = line_of(client, task_id)
    assert line[:3] == ["added", "earlier tries are not kept", "try 2 asked for a later try ran 2.0 s"]
    assert len([point for point in line if point.startswith("try")]) == MOST_TRIES + 1


def test_a_task_that_was_tried_once_has_its_short_line(client: TestClient, afterwards: Afterwards):
    async def run() -> TaskId:
        store = afterwards.house.store
        worker, call = await sign_on(store), pay()
        [added] = await store.add([call], claimed_by=worker)
        assert added.claimed is not None
        await store.settle([outcome(added.claimed.claim, Ending.DONE)])
        return call.id

    task_id = asyncio.run(run())
    assert [point.split()[0] for point in line_of(client, task_id)] == ["added", "started", "done"]


def test_front_ends_are_not_told_of_them(client: TestClient, afterwards: Afterwards):
    task_id = asyncio.run(tried(afterwards.house.store, Ending.CANCELLED))
    asyncio.run(afterwards.retry(task_id))
    answer = client.get(f"/tasks/{task_id}")
    assert answer.json()["state"] == "waiting"
    assert "tries" not in answer.json()
    assert "was refused" not in answer.text
    asyncio.run(afterwards.cancel(task_id))  # or the stream would not end
    assert "was refused" not in client.get(f"/tasks/{task_id}/events").text
