"""What the stores do in one process: added, claimed and settled, and drained tasks a second, side by side in one run.

    python benchmarks/stores.py [--stores sqlite postgres valkey] [--rounds 3] [--tasks 10000]

`one by one`: each add is awaited before the next. `at once`: 256 callers add one task each, again and again. `bulk`:
500 tasks in each add. `cycle`: claim 100, settle 100, no function called. `drain`: a worker with concurrency 100 runs
functions that do nothing. Servers are started by it and share this machine's processors. Prints one JSON line a round,
then a table of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import uvloop
from places import STORES, store_url

from afterwards import Afterwards
from afterwards.ids import new_id
from afterwards.outcomes import done
from afterwards.store import Store
from afterwards.stores import store_for
from afterwards.tasks import Call, WorkerCard, WorkerId

CALLERS, BULK, CYCLE = 256, 500, 100
ONE_BY_ONE = 20  # for each so many tasks of the others


async def no_op(number: int) -> None:
    """What every task does."""


def main() -> None:
    """Measure, and print."""
    options = _options()
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in options.stores}
    for _ in range(options.rounds):
        for kind in options.stores:
            with store_url(kind) as url:
                rounds[kind].append(uvloop.run(_measure(url, options.tasks)))
            print(json.dumps({"store": kind, **rounds[kind][-1]}), flush=True)
    _print_table(rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", nargs="+", default=list(STORES), choices=STORES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=10_000)
    return parser.parse_args()


async def _measure(url: str, tasks: int) -> dict[str, float]:
    store = store_for(url)
    await store.open()
    try:
        figures = {
            "one by one": await _per_second(tasks // ONE_BY_ONE, lambda: _one_by_one(store, tasks // ONE_BY_ONE)),
            "at once": await _per_second(tasks, lambda: _at_once(store, tasks)),
            "bulk": await _per_second(tasks, lambda: _bulk(store, tasks)),
            "cycle": await _per_second(tasks, lambda: _cycle(store, tasks)),
        }
        left = (await store.census()).waiting_due
        return {**figures, "drain": await _per_second(left, lambda: _drain(url))}
    finally:
        await store.close()


async def _per_second(count: int, work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return round(count / (time.perf_counter() - began), 1)


async def _one_by_one(store: Store, count: int) -> None:
    for _ in range(count):
        await store.add([_call()])


async def _at_once(store: Store, count: int) -> None:
    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(_one_by_one(store, count // CALLERS))


async def _bulk(store: Store, count: int) -> None:
    for _ in range(0, count, BULK):
        await store.add([_call() for _ in range(BULK)])


async def _cycle(store: Store, count: int) -> None:
    worker = WorkerId("bench")
    card = WorkerCard(id=worker, host="bench", pid=1, label="bench", lease=timedelta(minutes=10))
    await store.sign_on(card)
    for _ in range(0, count, CYCLE):
        claimed = await store.claim(worker, limit=CYCLE, suspects=True)
        assert len(claimed) == CYCLE
        await store.settle([done(task.claim) for task in claimed])
    await store.sign_off(worker)


async def _drain(url: str) -> None:
    afterwards = Afterwards(url=url, concurrency=100)
    async with afterwards.opened():
        await afterwards.drain()


def _call() -> Call:
    return Call(id=new_id(), name=f"{no_op.__module__}:{no_op.__qualname__}", arguments='{"number":1}')


def _print_table(rounds: dict[str, list[dict[str, float]]]) -> None:
    columns = list(next(iter(rounds.values()))[0])
    print(f"\n{'tasks/s':<10}" + "".join(f"{column:>12}" for column in columns))
    for kind, measured in rounds.items():
        medians = [statistics.median(one[column] for one in measured) for column in columns]
        print(f"{kind:<10}" + "".join(f"{median:>12,.0f}" for median in medians))


if __name__ == "__main__":
    main()
