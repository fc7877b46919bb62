"""Requests per second of an endpoint that adds one task: FastAPI's own background tasks beside ours, in one run.

32 keep-alive connections, uvicorn with uvloop and httptools in one process of its own, rounds A B A B; ours is stored
on disk before each response. Prints one JSON line a round, then a table of medians and ratios.

    python benchmarks/http_burst.py [--rounds 3] [--seconds 5] [--apps bare stock durable adopted] [--store sqlite]
                                    [--worker inside]

`--store` is sqlite, postgres or valkey, whose servers it starts. `--worker outside` runs the tasks in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

import client
from places import STORES, store_url

from afterwards.stores import store_for
from afterwards.tasks import State

CONNECTIONS = 32


@dataclass(frozen=True)
class Round:
    """One app under load once."""

    app: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    idle_p50_ms: float
    done: int
    left_after_s: float


def main() -> None:
    """Measure, and print."""
    options = _options()
    print(json.dumps(_setting()))
    rounds: list[Round] = []
    for _ in range(options.rounds):
        for app in options.apps:
            with store_url(options.store) as url:
                rounds.append(_measure(app, options.seconds, url, worker_inside=options.worker == "inside"))
            print(json.dumps(asdict(rounds[-1])), flush=True)
    _print_table(options.apps, rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--apps", nargs="+", default=["bare", "stock", "durable", "adopted"])
    parser.add_argument("--store", default="sqlite", choices=STORES)
    parser.add_argument("--worker", default="inside", choices=["inside", "outside"])
    return parser.parse_args()


def _setting() -> dict[str, object]:
    packages = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic")
    return {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "sqlite": sqlite3.sqlite_version,
        **{package: version(package) for package in packages},
    }


def _measure(app: str, seconds: float, url: str, *, worker_inside: bool) -> Round:
    with _server(app, url, worker_inside=worker_inside) as port, _worker(url, wanted=not worker_inside):
        uvloop.run(client.post_for(port, seconds=1.0, connections=CONNECTIONS))  # warm up
        took, statuses = uvloop.run(client.post_for(port, seconds=seconds, connections=CONNECTIONS))
        assert set(statuses) == {b"200"}, statuses
        began = time.perf_counter()
        done = uvloop.run(_until_done(url))
        left_after = time.perf_counter() - began
        idle = uvloop.run(client.post_spaced(port, count=200, pause=0.005))
        return Round(
            app=app,
            requests_per_second=round(len(took) / seconds, 1),
            p50_ms=_milliseconds(took, 50),
            p99_ms=_milliseconds(took, 99),
            idle_p50_ms=_milliseconds(idle, 50),
            done=done,
            left_after_s=round(left_after, 3),
        )


@contextmanager
def _server(app: str, url: str, *, worker_inside: bool) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = ["-m", "uvicorn", "--factory", f"apps:{app}", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with _process(command, BENCH_URL=url, AFTERWARDS_WORKER=str(int(worker_inside))):
        _until_it_answers(port)
        yield port


@contextmanager
def _worker(url: str, *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with _process(["-m", "afterwards", "worker", "apps:worker"], BENCH_URL=url):
        yield


@contextmanager
def _process(arguments: list[str], **variables: str) -> Iterator[None]:
    environment = {**os.environ, **variables}
    process = subprocess.Popen([sys.executable, *arguments], cwd=Path(__file__).parent, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _until_it_answers(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the server did not start")


async def _until_done(url: str) -> int:
    """How many are done, once nothing waits or runs any more; none of an app that stores nothing."""
    store = store_for(url)
    await store.open()
    try:
        while True:
            by_state = (await store.census()).by_state
            if not by_state.get(State.WAITING, 0) + by_state.get(State.RUNNING, 0):
                return by_state.get(State.DONE, 0)
            await asyncio.sleep(0.02)
    finally:
        await store.close()


def _milliseconds(took: list[float], percent: int) -> float:
    return round(statistics.quantiles(took, n=100)[percent - 1] * 1000, 3)


def _print_table(apps: list[str], rounds: list[Round]) -> None:
    def median(app: str, field: str) -> float:
        return statistics.median(float(getattr(one, field)) for one in rounds if one.app == app)

    yardstick = "stock" if "stock" in apps else apps[0]
    print(f"\n{'app':<10}{'req/s':>9}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'idle p50':>10}{'done after':>12}")
    for app in apps:
        speed = median(app, "requests_per_second")
        ratio = speed / median(yardstick, "requests_per_second")
        row = f"{app:<10}{speed:>9.0f}{ratio:>8.2f}{median(app, 'p50_ms'):>9.2f}{median(app, 'p99_ms'):>9.2f}"
        print(f"{row}{median(app, 'idle_p50_ms'):>10.2f}{median(app, 'left_after_s'):>10.2f} s")
    print(f"ratio: requests per second against {yardstick}; medians of {len(rounds) // len(apps)} rounds, interleaved")


if __name__ == "__main__":
    main()
