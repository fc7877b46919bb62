"""One of several processes that add, claim and settle in one file as fast as they can. Run by
test_sqlite_processes.py. Prints the ids it ran, and every error it met."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from afterwards.outcomes import done
from afterwards.tasks import Task, WorkerId
from tests.contract.builders import TimedStore, a_line, claim_all, sign_on
from tests.stores.builders import LONG_PATIENCE, SECONDS_OF_HAMMERING, a_store


async def hammer(store: TimedStore, name: str) -> None:
    worker = await sign_on(store, name)
    ends = time.monotonic() + SECONDS_OF_HAMMERING
    await asyncio.gather(*(add_until(store, worker, ends) for _ in range(8)), work_until(store, worker, ends))
    await work_until_empty(store, worker)
    await store.close()


async def add_until(store: TimedStore, worker: WorkerId, ends: float) -> None:
    while time.monotonic() < ends:
        added = await store.add(a_line(2), claimed_by=worker)
        await run(store, worker, [one.claimed for one in added if one.claimed is not None])


async def work_until(store: TimedStore, worker: WorkerId, ends: float) -> None:
    while time.monotonic() < ends:
        await run(store, worker, await claim_all(store, worker, limit=20))
        await asyncio.sleep(0.005)


async def work_until_empty(store: TimedStore, worker: WorkerId) -> None:
    while tasks := await claim_all(store, worker):
        await run(store, worker, tasks)


async def run(store: TimedStore, worker: WorkerId, tasks: list[Task]) -> None:
    while tasks:
        sys.stdout.writelines(f"ran {task.id} {task.run}\n" for task in tasks)
        settled = await store.settle([done(task.claim) for task in tasks], claimed_by=worker)
        assert len(settled.held) == len(tasks)
        tasks = settled.claimed


if __name__ == "__main__":
    asyncio.run(hammer(a_store(Path(sys.argv[1]), add_timeout=LONG_PATIENCE), sys.argv[2]))
