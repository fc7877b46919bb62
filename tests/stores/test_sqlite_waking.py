"""How a waiting worker hears of tasks: at once from its own process, soon from others, and cheaply."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest

from afterwards.bell import Bell
from afterwards.outcomes import Ending
from afterwards.stores.sqlite.reader import Reader
from afterwards.tasks import Woken, WorkerId
from tests.contract.builders import TimedStore, a_call, claim_all, outcome, sign_on
from tests.stores.builders import a_store

LOOKS_EVERY = 0.05
TRIES = 15


async def seconds_to_wake(waiting: TimedStore, writing: TimedStore, worker: WorkerId) -> float:
    wait = asyncio.ensure_future(waiting.wait(worker, timeout=10, suspects=True))
    await asyncio.sleep(LOOKS_EVERY * 0.2)
    await writing.add([a_call()])
    added = time.monotonic()
    assert await wait is Woken.READY
    woken = time.monotonic()
    await claim_all(waiting, worker)
    return woken - added


async def test_a_write_of_its_own_process_wakes_without_looking(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    times = [await seconds_to_wake(store, store, worker) for _ in range(TRIES)]
    assert statistics.median(times) < LOOKS_EVERY / 3
    await store.close()


async def test_a_write_of_another_process_wakes_at_the_next_look(tmp_path: Path):
    store, other = a_store(tmp_path / "tasks.db"), a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    times = [await seconds_to_wake(store, other, worker) for _ in range(TRIES)]
    assert statistics.median(times) < LOOKS_EVERY * 2
    await store.close()
    await other.close()


async def test_while_another_process_keeps_writing_it_looks_more_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    looks: list[float] = []
    looked = vars(Reader)["_look"]

    def counted(reader: Reader, bell: Bell) -> None:
        looks.append(time.monotonic())
        looked(reader, bell)

    monkeypatch.setattr(Reader, "_look", counted)
    store, other = a_store(tmp_path / "tasks.db"), a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    await store.wait(worker, timeout=4.0, suspects=True)
    alone = len(looks)
    await seconds_to_wake(store, other, worker)
    looks.clear()
    await store.wait(worker, timeout=2.0, suspects=True)
    assert alone / 4 < len(looks) / 2
    await store.close()
    await other.close()


async def test_a_run_that_waits_again_wakes_without_looking(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    await store.add([a_call()])
    times: list[float] = []
    for _ in range(TRIES):
        [task] = await claim_all(store, worker)
        wait = asyncio.ensure_future(store.wait(worker, timeout=10, suspects=True))
        await asyncio.sleep(LOOKS_EVERY * 0.2)
        await store.settle([outcome(task.claim, Ending.RETRIED)])
        settled = time.monotonic()
        assert await wait is Woken.READY
        times.append(time.monotonic() - settled)
    assert statistics.median(times) < LOOKS_EVERY / 3
    await store.close()
