"""procrastinate: its worker command with concurrency 100; psycopg in C with its pool; ended jobs stay, as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from systems.contract import CONCURRENCY, URL, Adder, System
from systems.record import run

app = App(connector=PsycopgConnector(conninfo=URL, max_size=20), import_paths=["systems.with_procrastinate"])


@app.task(name="no_op")
async def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


async def _add_many(numbers: Sequence[int], text: str) -> None:
    await no_op.batch_defer_async(*({"number": number, "text": text} for number in numbers))


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """The app, open."""
    async with app.open_async():
        yield Adder(add=lambda number, text: no_op.defer_async(number=number, text=text), add_many=_add_many)


async def _prepare() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


SYSTEM = System(
    adding=adding,
    prepare=_prepare,
    worker=[
        *("-m", "procrastinate", "--app", "systems.with_procrastinate.app", "--log-level", "warning"),
        *("worker", "--concurrency", str(CONCURRENCY)),
    ],
)
