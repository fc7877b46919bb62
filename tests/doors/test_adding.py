"""What `add_task`, `using`, `add` and `add_sync` take and refuse, wherever they are called."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import HTTPException

from afterwards import Afterwards, CannotName, CannotStore, Retry, State, StoreUnavailable, TaskHandle
from tests.doors import imported
from tests.doors.diary import diary, fail, note, note_in_thread
from tests.doors.ways import Means, Way, stored


async def takes_any_word(func: str, self: str, *, queue: str, name: str, priority: int, delay: float) -> None:
    diary.write(f"{func} {self} {queue} {name} {priority} {delay}")


WORDS: dict[str, Any] = {"func": "f", "self": "s", "queue": "q", "name": "n", "priority": 9, "delay": 0.5}


@pytest.fixture
async def afterwards(tmp_path: Path) -> AsyncIterator[Afterwards]:
    """An instance without an app, whose worker runs."""
    async with Afterwards(url=f"sqlite:///{tmp_path}/tasks.db").opened(worker=True) as afterwards:
        yield afterwards


def test_no_keyword_is_reserved(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(takes_any_word, **WORDS)
        tasks.using(priority=1).add_task(takes_any_word, **WORDS)
        await way.afterwards.add(takes_any_word, **WORDS)

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_until(lambda lines: len(lines) == 3, "all three")
    assert set(diary.lines) == {"f s q n 9 0.5"}


def test_add_task_returns_the_id_under_which_the_task_is_found(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        handle = tasks.add_task(note, "one")
        return {"id": handle.id, "durable": handle.durable}

    @way.app.get("/{task_id}")
    async def look(task_id: str):
        task = await way.afterwards.wait(UUID(task_id), timeout=10)
        return {"state": task.state, "name": task.name}

    with way.client() as client:
        answer = client.post("/").json()
        assert answer["durable"] is True
        assert client.get(f"/{answer['id']}").json() == {"state": "done", "name": "tests.doors.diary:note"}


def test_a_handler_that_catches_a_refusal_keeps_its_other_tasks(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "before")
        try:
            tasks.add_task(note, 3)  # type: ignore[arg-type]  # what the test is about
        except CannotStore as error:
            tasks.add_task(note, "after")
            return str(error)

    with way.client() as client:
        assert "text" in client.post("/").json()
        assert diary.wait_for("after") == ["before", "after"]
    assert way.stored() == ["before", "after"]


def test_a_refusal_that_nobody_catches_fails_the_request(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "before")
        tasks.add_task(note, object())  # type: ignore[arg-type]  # what the test is about

    with way.client() as client:
        assert client.post("/").status_code == 500
    assert way.stored() == []


def test_a_partial_of_a_named_function_is_stored(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(partial(note_in_thread, "partly given"))

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("partly given")
    assert way.stored() == ["partly given"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"delayed": 3}, TypeError, "delayed"),
        ({"delay": -1}, ValueError, "delay cannot be negative"),
        ({"delay": float("nan")}, ValueError, "delay takes a finite number"),
        ({"delay": "soon"}, ValueError, "delay takes seconds or a timedelta"),
        ({"due": datetime(2030, 1, 1)}, ValueError, "due needs a time zone"),  # noqa: DTZ001  # what the test is about
        ({"due": datetime(2030, 1, 1, tzinfo=UTC), "delay": 3}, ValueError, "give one of them"),
        ({"priority": 11}, ValueError, "priority is a whole number from 0 to 9"),
        ({"queue": ""}, ValueError, "queue takes a name"),
        ({"retry": 5}, ValueError, "retry takes a Retry"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_options_that_make_no_sense_are_refused_where_they_are_given(
    way: Way, options: dict[str, Any], error: type[Exception], message: str
):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        try:
            tasks.using(**options)
        except error as refusal:
            tasks.add_task(note, "all the same")
            return str(refusal)

    with way.client() as client:
        assert message in client.post("/").json()
        diary.wait_for("all the same")
    with pytest.raises(error, match=message):
        way.afterwards.using(**options)


def test_options_reach_the_store(way: Way):
    ids: list[TaskHandle] = []
    due = datetime(2099, 5, 1, tzinfo=UTC)

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        ids.append(tasks.using(due=due, queue="mail", priority=7, retry=Retry.never).add_task(note, "in 2099"))
        ids.append(tasks.using(delay=timedelta(hours=1)).add_task(note, "in an hour"))

    @way.app.get("/")
    async def look():
        late, hour = [await way.afterwards.get(handle.id) for handle in ids]
        assert (late.due, late.queue, late.priority, late.retry) == (due, "mail", 7, Retry.never)
        assert hour.due - hour.added == timedelta(hours=1)
        assert (late.state, hour.state) == (State.WAITING, State.WAITING)
        return "as asked"

    with way.client() as client:
        assert client.post("/").status_code == 200
        assert client.get("/").json() == "as asked"


def test_a_task_is_added_from_a_def_endpoint_a_thread_and_plain_code(way: Way):
    @way.app.post("/def")
    def plain():
        return way.afterwards.add_sync(note, "def endpoint").id

    @way.app.post("/async")
    async def asynchronous():
        thread = threading.Thread(target=way.afterwards.add_sync, args=(note, "own thread"))
        thread.start()
        await asyncio.to_thread(thread.join)
        way.afterwards.add_sync(note, "inside a running loop")
        await way.afterwards.using(queue="mail").add(note, "awaited")

    with way.client() as client:
        assert client.post("/def").status_code == 200
        assert client.post("/async").status_code == 200
        way.afterwards.using(queue="mail").add_sync(note, "beside the app")
        diary.wait_for("def endpoint", "own thread", "inside a running loop", "awaited", "beside the app")


def test_a_task_that_was_added_outside_of_the_batch_is_stored_although_the_request_fails(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "never")
        await way.afterwards.add(note, "stored at once")
        assert way.stored() == ["stored at once"]
        raise HTTPException(409)

    with way.client() as client:
        assert client.post("/").status_code == 409
        assert diary.wait_for("stored at once") == ["stored at once"]


def test_a_script_adds_and_drains_without_an_app(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path}/tasks.db")
    afterwards.add_sync(note, "one")
    afterwards.using(queue="other").add_sync(note, "two")
    afterwards.using(delay=3600).add_sync(note, "later")
    asyncio.run(afterwards.drain())
    assert sorted(diary.lines) == ["one", "two"]
    assert stored(tmp_path / "tasks.db") == ["one", "two", "later"]


async def test_drain_waits_for_followers_and_for_what_tasks_add(afterwards: Afterwards, tmp_path: Path):
    await afterwards.add(add_another, f"sqlite:///{tmp_path}/tasks.db")
    await afterwards.add(fail, "fails, and is tried again later")
    await afterwards.drain()
    assert sorted(diary.lines) == ["added by a task", "fails, and is tried again later"]


async def add_another(url: str) -> None:
    await Afterwards(url=url).add(note, "added by a task")


async def test_drain_runs_every_queue_also_those_that_the_apps_worker_does_not_serve(tmp_path: Path):
    async with Afterwards(url=f"sqlite:///{tmp_path}/tasks.db", queues=["mail"]).opened(worker=True) as afterwards:
        await afterwards.add(note, "in the default queue")
        await afterwards.drain()
    assert diary.lines == ["in the default queue"]


async def test_an_error_beside_an_opened_worker_comes_out_as_it_was(tmp_path: Path):
    with pytest.raises(ZeroDivisionError):
        async with Afterwards(url=f"sqlite:///{tmp_path}/tasks.db").opened(worker=True):
            raise ZeroDivisionError


def test_what_has_no_name_is_refused_or_runs_here(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    way = Way(Means.CHANGED, tmp_path / "tasks.db")
    lenient = Way(Means.CHANGED, tmp_path / "others.db", when_unnameable="local")

    @way.app.post("/")
    async def refused(tasks: imported.BackgroundTasks):
        try:
            tasks.add_task(lambda: None)
        except CannotName as error:
            return str(error)

    @lenient.app.post("/")
    async def local(tasks: imported.BackgroundTasks):
        async def closure(text: str) -> None:
            diary.write(text)

        tasks.add_task(note, "stored")
        assert not tasks.add_task(closure, text="async").durable
        tasks.add_task(lambda: diary.write("def"))
        tasks.add_task(lambda: 1 / 0)

    with way.client() as client:
        assert "lambda" in client.post("/").json()
    with lenient.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for("stored", "async", "def")
    assert lenient.stored() == ["stored"]
    assert "runs in this process only, not durably" in caplog.text
    assert "division by zero" in caplog.text


def test_a_store_that_cannot_be_reached_from_a_script_says_so(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path}/no/such/folder/tasks.db", add_timeout=0.1)
    with pytest.raises(StoreUnavailable):
        afterwards.add_sync(note, "never")
