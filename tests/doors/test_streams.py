"""What a stream adds while it is sent is stored at its end; what was added before it, before its first byte."""

from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.lowlevel
import fastapi
import pytest
from fastapi.responses import StreamingResponse

from afterwards import AfterwardsError, CannotStore, RequestEnded, StoreUnavailable, StoreUnusable
from tests.doors import imported
from tests.doors.asgi import call, started
from tests.doors.diary import diary, note
from tests.doors.takers import RefusesLate, TakesItsTime
from tests.doors.ways import Way

STREAMS_ENDPOINTS = tuple(map(int, fastapi.__version__.split(".")[:2])) >= (0, 134)


def test_a_stream_stores_what_is_added_before_and_inside_it(way: Way):
    before_first_byte = []

    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        async def stream() -> AsyncIterator[str]:
            before_first_byte.extend(way.stored())
            yield "one "
            tasks.add_task(note, "inside")
            yield "two"

        tasks.add_task(note, "before")
        return StreamingResponse(stream())

    with way.client() as client:
        assert client.get("/").text == "one two"
        assert diary.wait_for("before", "inside") == ["before", "inside"]
    assert before_first_byte == ["before"]
    assert way.stored() == ["before", "inside"]


def test_a_stream_of_a_plain_generator_adds_from_its_thread(way: Way):
    @way.app.get("/")
    def endpoint(tasks: imported.BackgroundTasks):
        def stream() -> Iterator[str]:
            yield "one "
            tasks.add_task(note, "inside")
            yield "two"

        return StreamingResponse(stream())

    with way.client() as client:
        assert client.get("/").text == "one two"
        diary.wait_for("inside")


def test_a_stream_that_raises_keeps_what_was_stored_before_it_and_drops_the_rest(way: Way):
    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        async def stream() -> AsyncIterator[str]:
            yield "one"
            tasks.add_task(note, "inside")
            raise RuntimeError("the stream broke")

        tasks.add_task(note, "before")
        return StreamingResponse(stream())

    with way.client() as client:
        client.get("/")
        diary.wait_for("before")
    assert way.stored() == diary.lines == ["before"]


@pytest.mark.parametrize("error", [CannotStore(), StoreUnusable(), StoreUnavailable(), ZeroDivisionError()], ids=repr)
def test_what_was_stored_before_the_stream_starts_whatever_becomes_of_what_the_stream_adds(
    way: Way, error: Exception, caplog: pytest.LogCaptureFixture
):
    late = []

    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        async def stream() -> AsyncIterator[str]:
            yield "one"
            late.append(tasks.add_task(note, "inside").id)

        tasks.add_task(note, "before")
        return StreamingResponse(stream())

    taker = RefusesLate(error)
    with way.afterwards.house.taking(taker), way.client() as client:
        client.get("/")
    assert len(taker.taken) == 1
    assert taker.released == taker.taken
    said = [record.getMessage() for record in caplog.records if "could not be stored" in record.getMessage()]
    assert [str(late[0]) in message for message in said] == [True] * isinstance(error, AfterwardsError)


async def test_what_is_added_late_is_stored_although_the_request_is_cancelled_meanwhile(way: Way):
    async def late(tasks: imported.BackgroundTasks) -> AsyncIterator[None]:
        yield
        tasks.add_task(note, "late")

    @way.app.post("/", dependencies=[fastapi.Depends(late)])
    async def endpoint(): ...

    taker = TakesItsTime(anyio.CancelScope())
    with way.afterwards.house.taking(taker):
        app = way.finished_app()
        async with started(app):
            with taker.request:
                await call(app, "/")
    assert len(taker.taken) == 1


@pytest.mark.skipif(not STREAMS_ENDPOINTS, reason="this FastAPI knows no generator endpoints")
def test_a_generator_endpoint_stores_at_its_end(way: Way):
    @way.app.get("/lines")
    async def lines(tasks: imported.BackgroundTasks) -> AsyncIterator[int]:
        tasks.add_task(note, "before the first line")
        yield 1
        tasks.add_task(note, "after it")

    @way.app.get("/from-a-thread")
    def from_a_thread(tasks: imported.BackgroundTasks) -> Iterator[int]:
        yield 1
        tasks.add_task(note, "from a thread")

    @way.app.get("/raw", response_class=StreamingResponse)
    async def raw(tasks: imported.BackgroundTasks) -> AsyncIterator[str]:
        yield "text"
        tasks.add_task(note, "raw")

    with way.client() as client:
        assert client.get("/lines").text == "1\n"
        assert client.get("/from-a-thread").text == "1\n"
        assert client.get("/raw").text == "text"
        diary.wait_for("before the first line", "after it", "from a thread", "raw")
    assert way.stored() == ["before the first line", "after it", "from a thread", "raw"]


@pytest.mark.skipif(not STREAMS_ENDPOINTS, reason="this FastAPI knows no generator endpoints")
def test_a_stream_of_server_sent_events_stores_at_its_end(way: Way):
    from fastapi.sse import EventSourceResponse

    @way.app.get("/", response_class=EventSourceResponse)
    async def events(tasks: imported.BackgroundTasks) -> AsyncIterator[dict[str, int]]:
        yield {"number": 1}
        tasks.add_task(note, "inside")

    with way.client() as client:
        assert 'data: {"number":1}' in client.get("/").text.replace(" 1", "1")
        diary.wait_for("inside")


def test_an_object_that_is_used_after_its_request_says_what_to_do_instead(way: Way):
    kept = []

    @way.app.get("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        kept.append(tasks)

    with way.client() as client:
        assert client.get("/").status_code == 200
        with pytest.raises(RequestEnded, match=r"afterwards\.add"):
            kept[0].add_task(note, "never")
    assert way.stored() == []
