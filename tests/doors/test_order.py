"""The tasks of a request start one after another, in the order in which they were added, as FastAPI's do."""

import asyncio

from afterwards import TaskHandle
from tests.doors import imported
from tests.doors.diary import diary, fail, gate, note, slowly, wait_at_the_gate
from tests.doors.ways import Way


def test_each_task_starts_when_the_one_before_it_has_ended(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        for text in ("one", "two", "three"):
            tasks.add_task(slowly, text)

    with way.client() as client:
        assert client.post("/").status_code == 200
        lines = diary.wait_for("three ends")
    assert lines == ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]


def test_a_task_that_raises_does_not_stop_the_next(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(fail, "fails")
        tasks.add_task(note, "runs all the same")

    with way.client() as client:
        assert client.post("/").status_code == 200
        assert diary.wait_for("runs all the same") == ["fails", "runs all the same"]


def test_requests_do_not_wait_for_each_other(way: Way):
    @way.app.post("/waits")
    async def waits(tasks: imported.BackgroundTasks):
        tasks.add_task(wait_at_the_gate, "first request")

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        tasks.add_task(note, "second request")

    with way.client() as client:
        client.post("/waits")
        client.post("/")
        assert "first request" not in diary.wait_for("second request")
        gate.set()
        diary.wait_for("first request")


def test_what_is_late_in_another_queue_or_freed_stands_outside_the_order(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        usual: list[TaskHandle] = [tasks.add_task(wait_at_the_gate, "first")]
        tasks.using(delay=3600).add_task(note, "tomorrow")
        tasks.using(queue="mail").add_task(note, "in another queue")
        tasks.using(ordered=False).add_task(note, "freed")
        usual.append(tasks.add_task(note, "second"))

    with way.client() as client:
        client.post("/")
        lines = diary.wait_for("first waits", "in another queue", "freed")
        assert "second" not in lines
        gate.set()
        lines = diary.wait_for("second")
    assert lines.index("first") < lines.index("second")
    assert "tomorrow" not in lines


def test_what_threads_add_is_all_stored(way: Way):
    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        def add(thread: int) -> None:
            for number in range(25):
                tasks.add_task(note, f"{thread}:{number}")

        await asyncio.gather(*(asyncio.to_thread(add, number) for number in range(8)))

    expected = {f"{thread}:{number}" for thread in range(8) for number in range(25)}
    with way.client() as client:
        assert client.post("/").status_code == 200
        diary.wait_for(*expected)
    assert len(way.stored()) == 200
    assert set(way.stored()) == expected
    for thread in range(8):
        assert [line for line in diary.lines if line.startswith(f"{thread}:")] == [
            f"{thread}:{number}" for number in range(25)
        ]
