"""Traces by OpenTelemetry: a span where a task is added, and a trace of its own for each run, linked to that.

Attributes are those of OpenTelemetry's conventions for messaging. As long as the app has set up no tracer provider,
nothing is made and nothing is stored.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import cast

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from afterwards.failures import failure_of
from afterwards.outcomes import Outcome
from afterwards.tasks import Call, Failure, Task
from afterwards.tracing import UNTRACED, UNTRACED_WRITE, HowItEnded

ASKED_EVERY = 0.5  # seconds
LONGEST = 4096  # characters of a stored trace; what is passed on beside the trace itself gives way first
_NOBODY = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)

Attributes = dict[str, AttributeValue]


class Traces:
    """Makes spans by `provider`, else by the one that the app has set up; with `writes` for writes to the store too.

    Example:
        `Afterwards(app, traces=Traces(provider))`
    """

    def __init__(self, provider: TracerProvider | None = None, *, writes: bool = False) -> None:
        self._given, self._writes = provider, writes
        self._known: tuple[TracerProvider, Tracer] | None = None
        self._ask_again = 0.0

    def added(self, call: Call) -> Call:
        """A span that has begun and ended here; the call carries its context."""
        tracer = self._tracer()
        if tracer is None:
            return call
        attributes = _attributes("add", "create", call)
        span = tracer.start_span(f"add {call.name}", kind=SpanKind.PRODUCER, attributes=attributes)
        span.end()
        return replace(call, trace=_packed(trace.set_span_in_context(span)))

    def storing(self, calls: Sequence[Call]) -> AbstractContextManager[object]:
        """A child of the request's span, linked to those of its calls."""
        tracer = self._tracer() if self._writes else None
        if tracer is None:
            return UNTRACED_WRITE
        return tracer.start_as_current_span(
            "store tasks",
            kind=SpanKind.CLIENT,
            links=[link for call in calls for link in _links(_unpacked(call.trace))],
            attributes={
                "messaging.system": "afterwards",
                "messaging.operation.name": "store",
                "messaging.operation.type": "send",
                "messaging.batch.message_count": len(calls),
            },
        )

    def running(self, task: Task) -> AbstractContextManager[HowItEnded]:
        """A new trace: the request may have ended days ago. What the request passed on as baggage is there."""
        tracer = self._tracer()
        return UNTRACED.running(task) if tracer is None else _running(tracer, task)

    def _tracer(self) -> Tracer | None:
        provider = self._given or self._provider_of_app()
        if provider is None or isinstance(provider, _NOBODY):
            return None
        if self._known is None or self._known[0] is not provider:
            self._known = provider, provider.get_tracer("afterwards", version("afterwards"))
        return self._known[1]

    def _provider_of_app(self) -> TracerProvider | None:
        """Asked seldom while there is none, since that is dear: it looks into the environment each time."""
        now = time.monotonic()
        if self._known is None and now < self._ask_again:
            return None
        self._ask_again = now + ASKED_EVERY
        return trace.get_tracer_provider()


@contextmanager
def _running(tracer: Tracer, task: Task) -> Generator[HowItEnded]:
    came_from = _unpacked(task.trace)
    context = trace.set_span_in_context(trace.INVALID_SPAN, came_from)
    attributes = _attributes("run", "process", task) | _about_run(task)
    span = tracer.start_span(
        f"run {task.name}", context, kind=SpanKind.CONSUMER, links=_links(came_from), attributes=attributes
    )
    token = contexts.attach(trace.set_span_in_context(span, context))
    try:
        yield partial(_ended, span)
    except asyncio.CancelledError:
        span.set_attribute("afterwards.task.ending", "interrupted")
        raise
    except BaseException as error:
        _failed(span, failure_of(error))
        raise
    finally:
        contexts.detach(token)
        span.end()


def _ended(span: Span, outcome: Outcome) -> None:
    span.set_attribute("afterwards.task.ending", outcome.ending)
    if outcome.error is not None:
        _failed(span, outcome.error)


def _failed(span: Span, error: Failure) -> None:
    """As the error is kept with the task: cut, and printable."""
    span.set_attribute("error.type", error.kind)
    span.set_status(Status(StatusCode.ERROR, error.message))
    attributes = {"exception.type": error.kind, "exception.message": error.message}
    span.add_event("exception", attributes | {"exception.stacktrace": error.traceback})


def _attributes(name: str, kind: str, of: Call | Task) -> Attributes:
    return {
        "messaging.system": "afterwards",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": of.queue,
        "messaging.message.id": str(of.id),
        "afterwards.task.name": of.name,
    }


def _about_run(task: Task) -> Attributes:
    attributes: Attributes = {"afterwards.task.attempt": task.attempt, "afterwards.task.run": task.run}
    return attributes if task.worker is None else attributes | {"messaging.client.id": task.worker}


def _links(context: Context) -> list[Link]:
    came_from = trace.get_current_span(context).get_span_context()
    return [Link(came_from)] if came_from.is_valid else []


def _packed(context: Context) -> str | None:
    """What the app's propagators pass on, as JSON; None where they pass on nothing, or too much."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    packed = json.dumps(carrier)
    if len(packed) > LONGEST:
        carrier.pop("baggage", None)
        packed = json.dumps(carrier)
    return packed if carrier and len(packed) <= LONGEST else None


def _unpacked(stored: str | None) -> Context:
    """What other code has stored there is not believed to be in order."""
    try:
        carrier: object = json.loads(stored or "{}")
    except ValueError:
        return Context()
    items = cast("dict[str, object]", carrier).items() if isinstance(carrier, dict) else ()
    return propagate.extract({name: value for name, value in items if isinstance(value, str)}, Context())
