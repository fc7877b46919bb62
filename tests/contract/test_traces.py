"""A run is linked to where its task was added, whichever store has kept it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from afterwards import Afterwards
from afterwards.moving import move
from afterwards.traces import Traces


async def work() -> None: ...


async def test_a_run_is_linked_to_where_its_task_was_added_also_after_a_move(
    new_url: Callable[[Path], str], tmp_path: Path
):
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    (tmp_path / "other").mkdir()
    here, there = (
        Afterwards(url=new_url(folder), traces=Traces(provider)) for folder in (tmp_path, tmp_path / "other")
    )
    async with here.opened(), there.opened():
        await here.add(work)
        await here.drain()
        await here.add(work)
        await move(here.house.store, there.house.store)
        await there.drain()
    added = [span for span in spans.get_finished_spans() if span.name.startswith("add ")]
    runs = [span for span in spans.get_finished_spans() if span.name.startswith("run ")]
    assert [[(link.context.trace_id, link.context.span_id) for link in run.links] for run in runs] == [
        [(span.context.trace_id, span.context.span_id)] for span in added if span.context
    ]
    assert len(runs) == 2
    provider.shutdown()
