"""What OpenTelemetry hears: where a task was added, each run as a trace of its own, and nothing unless asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from afterwards import SOLVED, Afterwards, BackgroundTasks, Retry, State
from afterwards.ids import new_id
from afterwards.tasks import Call
from afterwards.testing import inline
from afterwards.traces import LONGEST, Traces
from afterwards.tracing import trace_id

AT_ONCE = Retry(attempts=2, first=0.0, jitter=0.0)
seen: list[object] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield provider
    provider.shutdown()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'traces.db'}"


@pytest.fixture
def afterwards(url: str, provider: TracerProvider) -> Afterwards:
    return Afterwards(url=url, retry=AT_ONCE, traces=Traces(provider))


def named(spans: InMemorySpanExporter, start: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name.startswith(start)]


def context_of(span: ReadableSpan) -> trace.SpanContext:
    assert span.context is not None
    return span.context


async def looks() -> None:
    await asyncio.sleep(0)
    seen.append((trace.get_current_span().get_span_context(), baggage.get_baggage("customer")))


def looks_in_a_thread() -> None:
    seen.append((trace.get_current_span().get_span_context(), baggage.get_baggage("customer")))


def fails_once() -> None:
    seen.append("try")
    if len(seen) == 1:
        raise ValueError("not yet")


async def adds(background_tasks: BackgroundTasks = SOLVED) -> None:
    background_tasks.add_task(looks)


async def hangs() -> None:
    seen.append("began")
    await asyncio.sleep(60)


@pytest.mark.parametrize("function", [looks, looks_in_a_thread])
def test_a_request_has_a_span_for_the_task_it_adds_and_the_run_is_a_trace_linked_to_it(
    function: object, afterwards: Afterwards, provider: TracerProvider, spans: InMemorySpanExporter
):
    app = FastAPI()
    afterwards.install(app)
    tracer = provider.get_tracer("the app")

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> str:
        with tracer.start_as_current_span("request"):
            token = attach(baggage.set_baggage("customer", "7"))
            handle = background_tasks.add_task(function)  # type: ignore[arg-type]  # one of the two
            detach(token)
        return str(handle.id)

    with TestClient(app) as client:
        task_id = client.post("/").json()
        client.portal.call(afterwards.drain)  # type: ignore[union-attr]  # it is there inside the block
    [request], [added], [run] = named(spans, "request"), named(spans, "add "), named(spans, "run ")
    assert added.parent == request.context
    assert (added.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert run.parent is None
    assert context_of(run).trace_id != context_of(request).trace_id
    assert [link.context.span_id for link in run.links] == [context_of(added).span_id]
    assert [link.context.trace_id for link in run.links] == [context_of(request).trace_id]
    assert seen == [(run.context, "7")]
    attributes = dict(run.attributes or {})
    assert attributes.pop("messaging.client.id")
    assert attributes == {
        "messaging.system": "afterwards",
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": task_id,
        "afterwards.task.name": f"{__name__}:{function.__name__}",  # type: ignore[attr-defined]  # one of the two
        "afterwards.task.attempt": 1,
        "afterwards.task.run": 1,
        "afterwards.task.ending": "done",
    }


async def test_each_try_is_a_trace_and_tells_its_error(afterwards: Afterwards, spans: InMemorySpanExporter):
    async with afterwards.opened():
        await afterwards.add(fails_once)
        await afterwards.drain()
    first, second = named(spans, "run ")
    [added] = named(spans, "add ")
    assert {link.context.span_id for run in (first, second) for link in run.links} == {context_of(added).span_id}
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "not yet")
    assert second.status.status_code is StatusCode.UNSET
    assert [dict(run.attributes or {})["afterwards.task.ending"] for run in (first, second)] == ["retried", "done"]
    assert dict(first.attributes or {})["error.type"] == "ValueError"
    [event] = first.events
    assert event.name == "exception"
    assert "fails_once" in str(dict(event.attributes or {})["exception.stacktrace"])


async def test_what_a_task_adds_belongs_to_the_trace_of_its_run(afterwards: Afterwards, spans: InMemorySpanExporter):
    async with afterwards.opened():
        await afterwards.add(adds)
        await afterwards.drain()
    run = next(span for span in named(spans, "run ") if span.name.endswith(":adds"))
    inner = next(span for span in named(spans, "add ") if span.name.endswith(":looks"))
    last = next(span for span in named(spans, "run ") if span.name.endswith(":looks"))
    assert inner.parent == run.context
    assert [link.context.span_id for link in last.links] == [context_of(inner).span_id]


async def test_a_cancelled_run_has_ended_too(afterwards: Afterwards, spans: InMemorySpanExporter):
    async with afterwards.opened(worker=True):
        added = await afterwards.add(hangs)
        async with asyncio.timeout(10):
            while not seen:
                await asyncio.sleep(0.01)
            await afterwards.cancel(added.id)
            assert (await afterwards.wait(added.id)).state is State.CANCELLED
    [run] = named(spans, "run ")
    assert dict(run.attributes or {})["afterwards.task.ending"] == "interrupted"
    assert run.status.status_code is StatusCode.UNSET


async def test_a_task_that_runs_inline_is_traced_the_same(afterwards: Afterwards, spans: InMemorySpanExporter):
    with inline(afterwards):
        with pytest.raises(ValueError, match="not yet"):
            await afterwards.add(fails_once)
        await afterwards.add(looks)
    [failed, run] = named(spans, "run ")
    assert failed.status.status_code is StatusCode.ERROR
    assert (run.parent, len(run.links)) == (None, 1)


@pytest.mark.parametrize(("writes", "names"), [(False, ["add", "run"]), (True, ["add", "store", "run"])])
async def test_writes_to_the_store_are_told_when_asked(
    writes: bool, names: list[str], url: str, provider: TracerProvider, spans: InMemorySpanExporter
):
    afterwards = Afterwards(url=url, traces=Traces(provider, writes=writes))
    tracer = provider.get_tracer("the app")
    async with afterwards.opened():
        with tracer.start_as_current_span("request"):
            await afterwards.add(looks)
        await afterwards.drain()
    [request] = named(spans, "request")
    assert [span.name.split()[0] for span in spans.get_finished_spans() if span is not request] == names
    for span in named(spans, "store "):
        assert (span.parent, span.kind) == (request.context, SpanKind.CLIENT)
        assert dict(span.attributes or {})["messaging.batch.message_count"] == 1
        assert [link.context.span_id for link in span.links] == [context_of(named(spans, "add ")[0]).span_id]


def test_a_refused_request_keeps_its_span_and_stores_nothing(afterwards: Afterwards, spans: InMemorySpanExporter):
    app = FastAPI()
    afterwards.install(app)

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(looks)
        raise HTTPException(409)

    with TestClient(app) as client:
        client.post("/")
        assert client.portal.call(afterwards.find) == []  # type: ignore[union-attr]  # it is there inside the block
    assert len(named(spans, "add ")) == 1


@pytest.mark.parametrize("traces", ["off", "tasks", "store"])
async def test_without_a_provider_nothing_is_made_or_stored(traces: Literal["off", "tasks", "store"], url: str):
    afterwards = Afterwards(url=url, traces=traces)
    async with afterwards.opened():
        added = await afterwards.add(looks)
        await afterwards.drain()
        assert (await afterwards.get(added.id)).trace is None
    assert seen == [(trace.INVALID_SPAN_CONTEXT, None)]


def test_the_provider_that_the_app_has_set_up_is_heard_but_for_off(tmp_path: Path):
    code = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from afterwards import Afterwards

traced, untraced = Afterwards(url="sqlite://"), Afterwards(url="sqlite://", traces="off")
trace.set_tracer_provider(TracerProvider())

def work(): ...

async def main():
    for afterwards in (traced, untraced):
        async with afterwards.opened():
            added = await afterwards.add(work)
            assert ((await afterwards.get(added.id)).trace is None) == (afterwards is untraced)

asyncio.run(main())
"""
    run_alone(code, tmp_path)


async def test_too_much_baggage_stays_behind(afterwards: Afterwards, spans: InMemorySpanExporter):
    async with afterwards.opened():
        token = attach(baggage.set_baggage("customer", "7" * LONGEST))
        added = await afterwards.add(looks)
        detach(token)
        stored = (await afterwards.get(added.id)).trace
        await afterwards.drain()
    assert stored is not None
    assert len(stored) < LONGEST
    [run] = named(spans, "run ")
    assert len(run.links) == 1
    assert seen == [(run.context, None)]


@pytest.mark.parametrize("stored", ["7", "{", '{"traceparent": 5}', '{"baggage": [1]}', '{"tracestate": {}}', "[]"])
async def test_what_other_code_has_stored_as_a_trace_hinders_no_run(
    stored: str, afterwards: Afterwards, spans: InMemorySpanExporter
):
    async with afterwards.opened():
        call = Call(id=new_id(), name=f"{__name__}:looks", arguments="{}", trace=stored)
        await afterwards.house.store.add([call])
        await afterwards.drain()
        assert (await afterwards.get(call.id)).state is State.DONE
    [run] = named(spans, "run ")
    assert run.links == ()


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (f'{{"traceparent": "00-{7:032x}-{8:016x}-01", "baggage": "a=b"}}', f"{7:032x}"),
        ('{"traceparent": "00-<script>-8-01"}', None),
        ('{"traceparent": 5}', None),
        ('{"uber-trace-id": "1:2:3:1"}', None),
        ("[]", None),
        ("{", None),
        (None, None),
    ],
)
def test_the_trace_that_added_a_task_is_known_by_its_id(stored: str | None, found: str | None):
    assert trace_id(stored) == found


@pytest.mark.parametrize("traces", ["everything", True, None, TracerProvider()])
def test_nonsense_is_refused_with_what_there_is(traces: object):
    with pytest.raises(ValueError, match="traces is one of off, tasks, store, not"):
        Afterwards(traces=traces)  # type: ignore[arg-type]  # on purpose


def test_it_does_without_opentelemetry(tmp_path: Path):
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import asyncio\n"
        "from importlib import util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'opentelemetry' else real(name, *rest)\n"
        "from afterwards import Afterwards\n"
        "afterwards = Afterwards(url='sqlite://')\n"
        "def work(): ...\n"
        "async def main():\n"
        "    async with afterwards.opened():\n"
        "        await afterwards.add(work)\n"
        "        await afterwards.drain()\n"
        "asyncio.run(main())\n"
    )
    run_alone(code, tmp_path)


def run_alone(code: str, folder: Path) -> None:
    """In a process of its own: a global provider can be set up once."""
    file = folder / "alone.py"
    file.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
