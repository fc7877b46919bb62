"""Keys as people say them: at the call, on the function, and by the header of a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from afterwards import Afterwards, State
from afterwards.events import TasksAdded
from afterwards.starlette import BackgroundTasks
from tests.doors import imported
from tests.doors.diary import diary, note, note_in_thread
from tests.doors.ways import Way

A_KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
async def afterwards(tmp_path: Path) -> AsyncIterator[Afterwards]:
    async with Afterwards(url=f"sqlite:///{tmp_path}/tasks.db", worker=False).opened() as afterwards:
        yield afterwards


async def keys(afterwards: Afterwards) -> list[str | None]:
    return [task.key for task in await afterwards.find(limit=1000)]


# At the call


async def test_a_twin_is_looked_at_and_steered_by_the_id_that_was_handed_out(afterwards: Afterwards):
    added: list[TasksAdded] = []
    afterwards.hear(added.append, TasksAdded)  # type: ignore[arg-type]  # only those
    first, twin = [await afterwards.using(key="k").add(note, text) for text in ("one", "two")]
    assert first.id != twin.id
    assert [event.ids for event in added] == [(first.id,)]
    assert (await afterwards.get(twin.id)).id == first.id
    assert (await afterwards.cancel(twin.id)).state is State.CANCELLED
    assert (await afterwards.wait(twin.id, timeout=5)).id == first.id
    assert (await afterwards.retry(twin.id)).state is State.WAITING


async def test_a_retry_of_a_task_whose_key_is_taken_leaves_it_as_it_is(afterwards: Afterwards):
    first = await afterwards.using(key="k").add(note, "one")
    await afterwards.cancel(first.id)
    second = await afterwards.using(key="k").add(note, "two")
    assert (await afterwards.retry(first.id)).state is State.CANCELLED
    assert (await afterwards.get(second.id)).state is State.WAITING


async def test_add_sync_takes_keys(afterwards: Afterwards):
    first, twin = [afterwards.using(key="k", replace=True).add_sync(note, text) for text in ("one", "two")]
    assert (await afterwards.get(twin.id)).id == first.id
    assert (await afterwards.get(first.id)).arguments == '{"text":"two"}'


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"key": ""}, "key takes a name"),
        ({"key": "x" * 256}, "at most 255 characters"),
        ({"key": "a\0b"}, "NUL"),
        ({"key": 7}, "key takes a text"),
        ({"key": lambda text: text}, "belongs on the function"),
        ({"key": "k", "unique_for": 0}, "unique_for cannot be zero"),
        ({"key": "k", "unique_for": -1}, "unique_for cannot be negative"),
        ({"key": "k", "replace": "yes"}, "replace is True or False"),
        ({"unique_for": 60}, "unique_for says something about a key"),
        ({"replace": True}, "replace says something about a key"),
        ({"key": "k", "replace": True, "unique_for": 60}, "do not go together"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
async def test_nonsense_is_refused_in_words_and_nothing_is_added(
    afterwards: Afterwards, how: dict[str, Any], words: str
):
    with pytest.raises(ValueError, match=words):
        await afterwards.using(**how).add(note, "one")
    assert await keys(afterwards) == []


# On the function


async def test_a_function_makes_the_keys_of_its_calls(afterwards: Afterwards):
    afterwards.task(key=lambda text: f"note:{text}", unique_for=60)(note)
    for text in ("one", "two", "one"):
        await afterwards.add(note, text)
    await afterwards.using(key="its own").add(note, "one")
    assert await keys(afterwards) == ["its own", "note:two", "note:one"]
    assert {task.unique_for for task in await afterwards.find()} == {timedelta(minutes=1)}


async def test_a_function_may_have_one_key_for_all_and_a_call_may_replace_under_it(afterwards: Afterwards):
    afterwards.task(key="only one")(note)
    for text in ("one", "two", "three"):
        await afterwards.using(replace=text == "two").add(note, text)
    [task] = await afterwards.find()
    assert (task.key, task.arguments) == ("only one", '{"text":"two"}')


async def test_a_function_that_makes_no_key_adds_without(afterwards: Afterwards):
    afterwards.task(key=lambda text: None, replace=True)(note)
    for _ in range(2):
        await afterwards.add(note, "one")
    assert await keys(afterwards) == [None, None]


async def test_what_a_function_makes_has_to_be_a_key(afterwards: Afterwards):
    afterwards.task(key=lambda text: 7)(note)  # type: ignore[arg-type, return-value]  # what the test is about
    with pytest.raises(ValueError, match="key takes a text"):
        await afterwards.add(note, "one")


@pytest.mark.parametrize("said", [{"key": 7}, {"unique_for": 60}, {"key": "k", "replace": True, "unique_for": 60}])
async def test_nonsense_on_a_function_is_refused_when_it_is_said(afterwards: Afterwards, said: dict[str, Any]):
    with pytest.raises(ValueError, match=r"key takes|about a key|do not go"):
        afterwards.task(**said)


# By the header of a request


def test_a_request_that_is_sent_again_adds_no_task_twice(way: Way):
    way = Way(way.means, way.path, idempotency_header="Idempotency-Key")

    @way.app.post("/{place}")
    async def endpoint(place: str, tasks: imported.BackgroundTasks):
        handle = tasks.add_task(note, "one")
        tasks.add_task(note, "two")
        tasks.add_task(note_in_thread, "three")
        tasks.using(key="mine").add_task(note, f"own {place}")
        return {"id": handle.id}

    @way.app.get("/task/{task_id}")
    async def look(task_id: UUID):
        return {"id": (await way.afterwards.wait(task_id, timeout=10)).id}

    with way.client() as client:
        first, second = (client.post("/a", headers=A_KEY).json()["id"] for _ in range(2))
        assert first != second
        assert client.get(f"/task/{second}").json() == {"id": first}
        diary.wait_for("one", "two", "three", "own a")
        assert sorted(line for line in diary.lines if not line.startswith("own")) == ["one", "three", "two"]
        for headers in ({}, {"Idempotency-Key": "other"}, {**A_KEY, "Authorization": "Bearer b"}):
            client.post("/a", headers=headers)
        client.post("/b", headers=A_KEY)
        diary.wait_until(lambda lines: lines.count("three") == 5, "those of five different requests")


@pytest.mark.parametrize("value", ["", "x" * 256])
def test_a_header_that_cannot_be_a_key_is_answered_with_400(way: Way, value: str):
    way = Way(way.means, way.path, idempotency_header="Idempotency-Key")

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "one")

    with way.client() as client:
        refused = client.post("/", headers={"Idempotency-Key": value})
        assert (refused.status_code, "1 to 255 characters" in refused.json()["detail"]) == (400, True)
        assert client.post("/").status_code == 200
        diary.wait_for("one")
    assert diary.lines == ["one"]


def test_a_request_that_failed_took_no_key(way: Way):
    way = Way(way.means, way.path, idempotency_header="Idempotency-Key")
    failures = [True]

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "one")
        if failures:
            raise RuntimeError(failures.pop())

    with way.client() as client:
        assert [client.post("/", headers=A_KEY).status_code for _ in range(3)] == [500, 200, 200]
        diary.wait_for("one")
    assert diary.lines == ["one"]


def test_starlettes_doors_look_at_the_header_too(tmp_path: Path):
    async def endpoint(request: Request) -> JSONResponse:
        async with durable.batch(request) as tasks:
            tasks.add_task(note, "one")
        late = BackgroundTasks(request)
        late.add_task(note_in_thread, "two")
        return JSONResponse({}, background=late)

    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    durable = Afterwards(app, f"sqlite:///{tmp_path}/tasks.db", idempotency_header="Idempotency-Key")
    with TestClient(app) as client:
        assert {client.post("/", headers=A_KEY).status_code for _ in range(3)} == {200}
        assert client.post("/", headers={"Idempotency-Key": ""}).status_code == 400
        client.post("/")
        diary.wait_until(lambda lines: len(lines) == 4, "those of two requests")
    assert sorted(diary.lines) == ["one", "one", "two", "two"]


@pytest.mark.parametrize("header", ["", "Idempotency Key", 7, "Schlüssel"])
def test_what_is_no_name_of_a_header_is_refused(header: Any):
    with pytest.raises(ValueError, match="idempotency_header is the name of a request header"):
        Afterwards(idempotency_header=header)
