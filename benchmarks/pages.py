"""How long the dashboard's pages take over a large store, and what one that is open costs the workers.

    python benchmarks/pages.py [--stores sqlite postgres] [--ended 1000000] [--waiting 100000] [--rounds 9] [--pairs 8]

It puts that many ended and waiting tasks straight into the tables. Then it asks for each page so many times, a second
apart, so that nothing that was counted before is used again, and prints the median and the slowest: milliseconds from
the request to the last byte, over a real server. Fails where the median of a page that must be quick is over 200 ms.

Then a worker in the server's process runs tasks that do nothing, in turn with nobody looking and with a viewer: another
process, which follows the overview as a browser does and fetches the page anew at each change. Prints by pairs how much
slower the worker is with him, and how much more of the processor its process took.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import statistics
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from crowds import Crowd, crowd_of
from places import store_url
from starlette.applications import Starlette

from afterwards import Afterwards, State
from afterwards.elsewhere import run_elsewhere
from tests.doors.asgi import served

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

STORES = ("sqlite", "postgres")
QUICK = 200.0  # milliseconds
MEASURED = "measured"
APART = 1.1  # seconds: what was counted is kept for one
Address = tuple[str, int]


class Took(NamedTuple):
    """Seconds on the wall, and of the processor."""

    seconds: float
    processor: float


def main() -> None:
    options = _options()
    slow: list[str] = []
    for kind in options.stores:
        with store_url(kind) as url, closing(crowd_of(kind, url)) as crowd:
            crowd.fill(options.ended, options.waiting)
            slow += [f"{kind} {page}" for page in _measure_pages(kind, url, options.rounds)]
            if options.pairs:
                _measure_cost(kind, url, crowd, options)
    sys.exit(f"over {QUICK:.0f} ms: {', '.join(slow)}" if slow else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", nargs="+", default=list(STORES), choices=STORES)
    parser.add_argument("--ended", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=20_000, help="that the worker runs each time")
    return parser.parse_args()


# Pages


def _pages(task_id: str) -> dict[str, tuple[str, bool]]:
    """Where each is, and whether it must be quick."""
    return {
        "overview": ("", True),
        "tasks": ("tasks", True),
        "tasks that failed": ("tasks?q=state:failed", True),
        "tasks that wait in a queue": ("tasks?q=" + quote("state:waiting queue:mail"), True),
        "tasks of a function": ("tasks?q=" + quote("function:shop.mails:send_receipt"), True),
        "tasks of an error": ("tasks?q=" + quote("state:failed error:smtplib.SMTPServerDisconnected"), True),
        "one task": (f"tasks/{task_id}", True),
        "queues": ("queues", True),
        "errors": ("errors", False),
        "tasks by a word that is nowhere": ("tasks?q=nowhere", False),
    }


def _measure_pages(kind: str, url: str, rounds: int) -> list[str]:
    """Prints a line for each; the names of those that are too slow."""
    afterwards = Afterwards(url=url, worker=False)
    app = Starlette()
    afterwards.install(app)
    app.mount("/", afterwards.dashboard(auth=lambda request: "read"))
    slow: list[str] = []
    with served(app) as address:
        [failed] = run_elsewhere(lambda: afterwards.find(state=State.FAILED, limit=1))
        for name, (path, must_be_quick) in _pages(str(failed.id)).items():
            times, size = _times(address, path, rounds)
            print(json.dumps({"store": kind, "page": name, "median_ms": round(statistics.median(times), 1),
                              "slowest_ms": round(max(times), 1), "kilobytes": size // 1024}), flush=True)  # fmt: skip
            slow += [name] if must_be_quick and statistics.median(times) > QUICK else []
    return slow


def _times(address: Address, path: str, rounds: int) -> tuple[list[float], int]:
    times, size = list[float](), 0
    for _ in range(rounds + 1):
        time.sleep(APART)
        began = time.perf_counter()
        size = len(_get(address, f"/{path}")[0])
        times.append((time.perf_counter() - began) * 1000)
    return times[1:], size  # the first opens the store and reads the templates


def _get(address: Address, path: str) -> tuple[bytes, float]:
    """The page, and how many seconds the server says that it took."""
    with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, f"{path} was answered with {answer.status}"
        return answer.read(), float(answer.headers["server-timing"].partition("dur=")[2]) / 1000


# What it costs


def _measure_cost(kind: str, url: str, crowd: Crowd, options: argparse.Namespace) -> None:
    afterwards = Afterwards(url=url, queues=[MEASURED])
    app = Starlette()
    afterwards.install(app)
    app.mount("/", afterwards.dashboard(auth=lambda request: "read"))
    slower, dearer = list[float](), list[float]()
    with served(app) as address:
        for number in range(options.pairs + 1):
            took: dict[bool, Took] = {}
            for is_watched in (False, True) if number % 2 else (True, False):
                took[is_watched] = _drained(address, afterwards, crowd, options.tasks, is_watched=is_watched)
            if number:  # the first pair warms up
                slower.append((took[True].seconds / took[False].seconds - 1) * 100)
                dearer.append((took[True].processor / took[False].processor - 1) * 100)
                print(json.dumps({"store": kind, "alone": took[False], "watched": took[True]}), flush=True)
    print(
        f"{kind}: with a viewer {statistics.median(slower):+.1f} % of time, {statistics.median(dearer):+.1f} % of the "
        f"processor (medians of {len(slower)} pairs)",
        flush=True,
    )


def _drained(address: Address, afterwards: Afterwards, crowd: Crowd, tasks: int, *, is_watched: bool) -> Took:
    """What the worker needs for so many tasks."""
    if not is_watched:
        return _drain(afterwards, crowd, tasks)
    process = multiprocessing.get_context("spawn")
    looks, ends = process.Event(), process.Event()
    viewer = process.Process(target=_view, args=(address, looks, ends), daemon=True)
    viewer.start()
    try:
        assert looks.wait(30), "the viewer sees nothing"
        return _drain(afterwards, crowd, tasks)
    finally:
        ends.set()
        viewer.join(30)


def _drain(afterwards: Afterwards, crowd: Crowd, tasks: int) -> Took:
    run_elsewhere(lambda: afterwards.pause(MEASURED))
    crowd.add_waiting(MEASURED, tasks)
    time.sleep(1.0)
    run_elsewhere(lambda: afterwards.resume(MEASURED))
    began, spent = time.perf_counter(), time.process_time()
    while crowd.waits_in(MEASURED):
        time.sleep(0.05)
    return Took(round(time.perf_counter() - began, 3), round(time.process_time() - spent, 3))


def _view(address: Address, looks: Event, ends: Event) -> None:
    """As the page's script does."""
    with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
        connection.request("GET", "/live")
        stream = connection.getresponse()
        took = rested = 0.0
        while not ends.is_set():
            line: Any = stream.readline()
            looks.set()
            if line.startswith(b"event: changed"):
                time.sleep(max(0.1, rested + took * 80 - time.perf_counter()))
                _, took = _get(address, "/")
                rested = time.perf_counter()


if __name__ == "__main__":
    main()
