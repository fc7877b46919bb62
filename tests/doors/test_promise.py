"""A 2xx means stored: the tasks are in the file before the response begins. None of them starts before its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from fastapi.responses import StreamingResponse
from starlette.types import Message

from afterwards.events import Event, TasksAdded
from tests.doors import imported
from tests.doors.asgi import call, served, started
from tests.doors.diary import diary, gate, note, wait_at_the_gate
from tests.doors.ways import Means, Way

TOO_LONG = 4.0  # seconds: less than a claimed task waits for its response at most


async def test_tasks_are_in_the_file_when_the_response_begins(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        for text in ("one", "two", "three"):
            tasks.add_task(note, text)
        assert way.stored() == []

    in_the_file: dict[str, list[str]] = {}

    def look(message: Message) -> None:
        in_the_file[message["type"]] = way.stored()

    app = way.finished_app()
    async with started(app):
        assert await call(app, "/", look) == 200
        await asyncio.to_thread(diary.wait_for, "three")
    assert in_the_file["http.response.start"] == ["one", "two", "three"]


def test_the_tasks_of_a_request_are_one_write(way: Way):
    added: list[int] = []

    def hear(event: Event) -> None:
        if isinstance(event, TasksAdded):
            added.append(len(event.ids))

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        for text in ("one", "two", "three"):
            tasks.add_task(note, text)

    @way.app.post("/none")
    async def without(tasks: imported.BackgroundTasks):
        return "nothing to add"

    way.afterwards.hear(hear)
    with way.client() as client:
        client.post("/none")
        client.post("/")
        diary.wait_for("three")
    assert added == [3], "one write for all, and none for nothing"


async def test_requests_at_once_lose_nothing_and_each_keeps_its_order(way: Way):
    @way.app.post("/{number}")
    async def endpoint(number: int, tasks: imported.BackgroundTasks):
        for step in "abc":
            tasks.add_task(note, f"{number}{step}")

    app = way.finished_app()
    async with started(app):
        statuses = await asyncio.gather(*(call(app, f"/{number}") for number in range(200)))
        assert set(statuses) == {200}
        lines = await asyncio.to_thread(diary.wait_until, lambda lines: len(lines) >= 600, "all of them")
    for number in range(200):
        assert [line for line in lines if line[:-1] == str(number)] == [f"{number}{step}" for step in "abc"]
    assert len(lines) == len(way.stored()) == 600


@pytest.mark.parametrize("body", [b"x", b"x" * 5_000_000], ids=["small", "big"])
async def test_no_task_starts_before_the_last_byte_went_out(way: Way, body: bytes):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        async def stream() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield body
                await other_tasks_run()

        tasks.add_task(note, "the task")
        return StreamingResponse(stream())

    @way.app.post("/other/{number}")
    async def other(number: str, tasks: imported.BackgroundTasks):
        tasks.add_task(note, number)

    app = way.finished_app()

    async def other_tasks_run() -> None:
        """The worker is awake: what was added later has run."""
        number = f"other {len(diary.lines)}"
        await call(app, f"/other/{number}")
        await asyncio.to_thread(diary.wait_for, number)

    def say_end(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            diary.write("last byte")

    async with started(app):
        assert await call(app, "/", say_end) == 200
        lines = await asyncio.to_thread(diary.wait_for, "the task")
    assert lines == ["other 0", "other 1", "other 2", "last byte", "the task"]


def test_def_tasks_leave_the_threads_of_the_endpoints_alone(way: Way):
    """Starlette has 40 for all its `def` endpoints, and FastAPI's own `def` tasks take them."""

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        for number in range(60):
            tasks.using(ordered=False).add_task(wait_at_the_gate, f"task {number}")

    @way.app.get("/")
    def in_a_thread():
        return "served"

    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_until(lambda lines: len(lines) == 40, "as many tasks as there are threads for them")
        assert client.get("/").json() == "served"
        gate.set()
        diary.wait_for(*(f"task {number}" for number in range(60)))


def test_a_busy_worker_that_claims_a_task_itself_waits_for_its_response(tmp_path: Path):
    """With its one place taken, the add hands nothing over; the worker's own claim must wait all the same.

    While it waits the place is free for others.
    """
    way = Way(Means.CHANGED, tmp_path / "tasks.db", concurrency=1)

    @way.app.post("/busy")
    async def busy(tasks: imported.BackgroundTasks):
        tasks.add_task(wait_at_the_gate, "busy")

    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        async def stream() -> AsyncIterator[str]:
            yield "begin "
            gate.set()
            await asyncio.to_thread(diary.wait_for, "busy", "after it")
            diary.write("last byte")
            yield "end"

        tasks.add_task(note, "the task")
        return StreamingResponse(stream())

    @way.app.post("/later")
    async def later(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "after it")

    with served(way.finished_app()) as address:
        assert post(address, "/busy") == 200
        diary.wait_for("busy waits")
        with closing(HTTPConnection(*address, timeout=TOO_LONG)) as connection:
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.read(6) == b"begin "
            assert post(address, "/later") == 200
            assert response.read() == b"end"
        lines = diary.wait_for("the task")
    assert lines == ["busy waits", "busy", "after it", "last byte", "the task"]


def post(address: tuple[str, int], path: str) -> int:
    with closing(HTTPConnection(*address, timeout=TOO_LONG)) as connection:
        connection.request("POST", path)
        return connection.getresponse().status
