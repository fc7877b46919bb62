"""What a hundred thousand tasks that wait for their turn cost the others: claimed and settled with them and without.

    python benchmarks/limits.py [--stores sqlite postgres valkey] [--rounds 3] [--tasks 10000] [--blocked 100000]

A function has `limit=1`, one of its tasks runs for ever, and the others are held at its gate; that they are brought
there is told apart, `held`, since it happens once. Then tasks of another function are claimed and settled a hundred at
a time, in that store and in one without the blocked ones. Prints one JSON line a round, then the medians: tasks a
second, and how many times slower it is. Fails where that is more than twice.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import timedelta

import uvloop
from places import STORES, store_url

from afterwards.ids import new_id
from afterwards.outcomes import done
from afterwards.quotas import Quota, of_function
from afterwards.store import Store
from afterwards.stores import store_for
from afterwards.tasks import Call, Hold, WorkerCard, WorkerId

BULK, CYCLE = 500, 100
MOST_TIMES_SLOWER = 2.0
WORKER = WorkerId("measuring")


def main() -> None:
    """Measure, and print."""
    options = _options()
    slow: list[str] = []
    for kind in options.stores:
        rounds = [_round(kind, options) for _ in range(options.rounds)]
        medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        times = medians["without"] / medians["with"]
        print(f"{kind}: {medians['without']:,.0f}/s without, {medians['with']:,.0f}/s with: {times:.2f} times slower")
        slow += [kind] if times > MOST_TIMES_SLOWER else []
    sys.exit(f"more than {MOST_TIMES_SLOWER} times slower: {', '.join(slow)}" if slow else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", nargs="+", default=list(STORES), choices=STORES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--blocked", type=int, default=100_000)
    return parser.parse_args()


def _round(kind: str, options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, blocked in (("without", 0), ("with", options.blocked)):
        with store_url(kind) as url:
            figures |= uvloop.run(_measure(url, name, options.tasks, blocked))
    print(json.dumps({"store": kind, **figures}), flush=True)
    return figures


async def _measure(url: str, name: str, tasks: int, blocked: int) -> dict[str, float]:
    store = store_for(url)
    await store.open()
    try:
        await store.sign_on(_card())
        held = await _block(store, blocked) if blocked else {}
        await _add(store, "measured", tasks)
        began = time.perf_counter()
        await _drain(store, tasks)
        return {**held, name: round(tasks / (time.perf_counter() - began), 1)}
    finally:
        await store.close()


async def _block(store: Store, count: int) -> dict[str, float]:
    """All but the one that runs stand before the gate, by claims as any worker makes them."""
    await _add(store, "limited", count + 1)
    began = time.perf_counter()
    while (await store.census()).held.get(Hold.LIMIT, 0) < count:
        await store.claim(WORKER, limit=CYCLE, suspects=True)
    return {"held": round(count / (time.perf_counter() - began), 1)}


async def _drain(store: Store, count: int) -> None:
    while count > 0:
        tasks = await store.claim(WORKER, limit=CYCLE, suspects=True)
        count -= len((await store.settle([done(task.claim) for task in tasks])).held)


async def _add(store: Store, name: str, count: int) -> None:
    for start in range(0, count, BULK):
        await store.add([Call(id=new_id(), name=name, arguments="{}") for _ in range(min(BULK, count - start))])


def _card() -> WorkerCard:
    quota = Quota(name=of_function("limited"), most=1)
    lease = timedelta(hours=1)
    return WorkerCard(id=WORKER, host="here", pid=1, label="here", lease=lease, quotas=(quota,))


if __name__ == "__main__":
    main()
