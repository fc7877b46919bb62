"""Requests per second of an endpoint that adds one task: FastAPI's own background tasks beside ours, in one run.

32 keep-alive connections, uvicorn with uvloop and httptools in one process of its own, rounds A B A B; ours is stored
on disk before each response. Prints one JSON line a round, then a table of medians and ratios.

    python benchmarks/http_burst.py [--rounds 3] [--seconds 5] [--apps bare stock durable adopted]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

import client

CONNECTIONS = 32


@dataclass(frozen=True)
class Round:
    """One app under load once."""

    app: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    idle_p50_ms: float
    stored: int
    left_after_s: float


def main() -> None:
    """Measure, and print."""
    options = _options()
    print(json.dumps(_setting()))
    rounds: list[Round] = []
    for _ in range(options.rounds):
        for app in options.apps:
            rounds.append(_measure(app, options.seconds))
            print(json.dumps(asdict(rounds[-1])), flush=True)
    _print_table(options.apps, rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--apps", nargs="+", default=["bare", "stock", "durable", "adopted"])
    return parser.parse_args()


def _setting() -> dict[str, object]:
    packages = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic")
    return {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "sqlite": sqlite3.sqlite_version,
        **{package: version(package) for package in packages},
    }


def _measure(app: str, seconds: float) -> Round:
    with tempfile.TemporaryDirectory() as folder, _server(app, Path(folder)) as port:
        uvloop.run(client.post_for(port, seconds=1.0, connections=CONNECTIONS))  # warm up
        took, statuses = uvloop.run(client.post_for(port, seconds=seconds, connections=CONNECTIONS))
        assert set(statuses) == {b"200"}, statuses
        left_after = _until_done(Path(folder))
        idle = uvloop.run(client.post_spaced(port, count=200, pause=0.005))
        return Round(
            app=app,
            requests_per_second=round(len(took) / seconds, 1),
            p50_ms=_milliseconds(took, 50),
            p99_ms=_milliseconds(took, 99),
            idle_p50_ms=_milliseconds(idle, 50),
            stored=_count(Path(folder), "done"),
            left_after_s=left_after,
        )


@contextmanager
def _server(app: str, folder: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", f"apps:{app}", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    environment = {**os.environ, "BENCH_URL": f"sqlite:///{folder / 'bench.db'}"}
    process = subprocess.Popen(command, cwd=Path(__file__).parent, env=environment)
    try:
        _until_it_answers(port)
        yield port
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


def _until_done(folder: Path) -> float:
    began = time.perf_counter()
    while _count(folder, "waiting") + _count(folder, "running"):
        time.sleep(0.02)
    return round(time.perf_counter() - began, 3)


def _count(folder: Path, state: str) -> int:
    if not (folder / "bench.db").exists():
        return 0
    with sqlite3.connect(folder / "bench.db") as database:
        row = database.execute("SELECT count(*) FROM afterwards_tasks WHERE state = ?", (state,)).fetchone()
    database.close()
    return int(row[0])


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
