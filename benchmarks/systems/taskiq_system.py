"""taskiq on either of its brokers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from taskiq.serializers import ORJSONSerializer

from systems.contract import CONCURRENCY, Adder, System
from systems.record import run


async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


def system(broker: Any, place: str) -> System:
    """The system of a broker, which its worker command finds at `place`."""
    broker.with_serializer(ORJSONSerializer())
    task = broker.register_task(no_op, "no_op")

    @asynccontextmanager
    async def adding() -> AsyncGenerator[Adder]:
        await broker.startup()
        yield Adder(add=task.kiq)
        await broker.shutdown()

    options = ["--workers", "1", "--max-async-tasks", str(CONCURRENCY), "--log-level", "WARNING"]
    return System(adding=adding, worker=["-m", "taskiq", "worker", place, *options], prepare=_prepared(broker))


def _prepared(broker: Any) -> Any:
    """A stream has its consumers' group before the first task is added, or those before it are never seen."""

    async def prepare() -> None:
        broker.is_worker_process = True
        await broker.startup()
        await broker.shutdown()

    return prepare
