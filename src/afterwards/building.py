"""Builds a house from what the user said about it. Every number is checked here, and refused in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec

from afterwards import checks, environment
from afterwards.batch import WhenUnnameable
from afterwards.errors import CannotSolve
from afterwards.house import House, Settings
from afterwards.logs import WRITTEN, write_logs
from afterwards.processes.pool import PoolSize
from afterwards.retries import Duration, as_duration
from afterwards.shift import WorkerOptions
from afterwards.solving import Solver
from afterwards.testing import InlineTaker
from afterwards.tracing import UNTRACED, Tracing


class _WhatToTrace(StrEnum):
    """What `traces=` takes."""

    OFF = "off"
    TASKS = "tasks"
    STORE = "store"


def tracing(traces: object) -> Tracing:
    """OpenTelemetry's API comes with FastAPI; where it is missing, nobody can have set up traces."""
    if isinstance(traces, Tracing):
        return traces
    what = checks.choice(traces, _WhatToTrace, "traces")
    if what is _WhatToTrace.OFF or find_spec("opentelemetry") is None:
        return UNTRACED
    from afterwards.traces import Traces

    return Traces(writes=what is _WhatToTrace.STORE)


def house(settings: Settings, tracing: Tracing) -> House:
    """The house itself; its log lines are written, and in tests its tasks may run inline."""
    built = House(settings, _solver, tracing)
    built.events.hear(write_logs, *WRITTEN)
    if environment.runs_inline():
        built.take_by(InlineTaker(built))
    return built


def _solver(house: House) -> Solver:
    """FastAPI is imported when the first function with a dependency asks for it."""
    try:
        from afterwards.dependencies import Dependencies
    except ImportError as error:
        raise CannotSolve("dependencies of tasks are solved by FastAPI: pip install 'afterwards[fastapi]'") from error
    return Dependencies(house)


def worker_options(
    queues: Sequence[str] | None,
    concurrency: int,
    threads: int,
    pool: PoolSize,
    *,
    lease: Duration,
    grace: Duration,
    retention: Duration,
) -> WorkerOptions:
    """What a worker serves, and how much at once."""
    return WorkerOptions(
        queues=checks.queue_names(queues),
        concurrency=checks.whole_number(concurrency, "concurrency"),
        threads=checks.whole_number(threads, "threads"),
        pool=pool,
        lease=checks.some_time(lease, "lease"),
        grace=as_duration(grace, "grace"),
        retention=as_duration(retention, "retention"),
    )


def pool_size(processes: int | None, tasks_each: int) -> PoolSize:
    """How many processes for isolated tasks: by default one for each processor this process may use."""
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return PoolSize(
        processes=checks.whole_number(processes, "processes"),
        tasks_each=checks.whole_number(tasks_each, "tasks_per_process"),
    )


def when_unnameable(value: str | None) -> WhenUnnameable | None:
    """What becomes of a function without a name, if the user said it."""
    return None if value is None else checks.choice(value, WhenUnnameable, "when_unnameable")
