"""How long the dashboard's pages take over a large store, and what one that is open costs the workers.

    python benchmarks/pages.py [--stores sqlite postgres] [--ended 1000000] [--waiting 100000] [--rounds 9] [--pairs 20]

It puts that many ended and waiting tasks straight into the tables. Then it asks for each page so many times, a second
apart, so that nothing that was counted before is used again, and prints the median and the slowest: milliseconds from
the request to the last byte, over a real server. Fails where the median of a page that must be quick is over 200 ms.

Then a worker in the server's process runs tasks that do nothing, without a break, for some seconds with nobody looking
and for some with a viewer, in turn: another process, which follows the overview as a browser does and fetches the page
anew at each change. Prints by pairs how much slower the worker is with him, and how much more of the processor a task
took: the median, and between which values the middle half of the pairs lies.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from crowds import Crowd, crowd_of, has_run
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
STOCK = 300_000  # tasks that the worker has before each pair
SETTLES = 0.5  # seconds
APART = 1.1  # seconds: what was counted is kept for one
Address = tuple[str, int]


class Pace(NamedTuple):
    """How many tasks ran, how many a second, and the microseconds of the processor that one took in their process."""

    tasks: int
    a_second: int
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
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0, help="with and without a viewer, of each pair")
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
    stocked = 0
    with served(app) as address, _viewer(address) as viewer:
        for number in range(options.pairs + 1):
            lacks = STOCK + has_run["nothing"] - stocked
            crowd.add_waiting(MEASURED, lacks)
            stocked += lacks
            took: dict[bool, Pace] = {}
            for is_watched in (False, True) if number % 2 else (True, False):
                viewer.look(is_watched)
                time.sleep(SETTLES)
                took[is_watched] = _pace(options.seconds)
            if number:  # the first pair warms up
                slower.append((took[False].a_second / took[True].a_second - 1) * 100)
                dearer.append((took[True].processor / took[False].processor - 1) * 100)
                print(json.dumps({"store": kind, "alone": took[False], "watched": took[True]}), flush=True)
    print(f"{kind}: with a viewer {_middle(slower)} of time, {_middle(dearer)} of the processor a task", flush=True)


def _middle(found: list[float]) -> str:
    """The median, and the quarters around it."""
    low, middle, high = statistics.quantiles(found, n=4)
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"


def _pace(seconds: float) -> Pace:
    """Of the worker, which has enough to do."""
    ran, began, spent = has_run["nothing"], time.perf_counter(), time.process_time()
    time.sleep(seconds)
    tasks, took = has_run["nothing"] - ran, time.perf_counter() - began
    assert tasks, "nothing runs"
    return Pace(tasks, round(tasks / took), round((time.process_time() - spent) / tasks * 1e6, 2))


class Viewer:
    """Somebody in another process, who looks at the overview while he should."""

    def __init__(self, address: Address) -> None:
        process = multiprocessing.get_context("spawn")
        self._should, self._looks = process.Event(), process.Event()
        self.process = process.Process(target=_view, args=(address, self._should, self._looks), daemon=True)

    def look(self, should: bool) -> None:
        """Returns when he does, or does not any more."""
        (self._should.set if should else self._should.clear)()
        ends = time.monotonic() + 30
        while self._looks.is_set() is not should:
            assert time.monotonic() < ends, "the viewer sees nothing"
            time.sleep(0.02)


@contextmanager
def _viewer(address: Address) -> Iterator[Viewer]:
    viewer = Viewer(address)
    viewer.process.start()
    try:
        yield viewer
    finally:
        viewer.process.terminate()
        viewer.process.join()


def _view(address: Address, should: Event, looks: Event) -> None:
    while should.wait():
        with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
            connection.request("GET", "/live")
            _follow(address, connection.getresponse(), should, looks)
        looks.clear()


def _follow(address: Address, stream: http.client.HTTPResponse, should: Event, looks: Event) -> None:
    """As the page's script does."""
    took = not_before = 0.0
    while should.is_set():
        line = stream.readline()
        looks.set()
        if line.startswith(b"event: changed"):
            while should.is_set() and (rest := max(not_before - time.perf_counter(), 0.0)):
                time.sleep(min(rest, 0.05))
            _, took = _get(address, "/")
            not_before = time.perf_counter() + took * 80


if __name__ == "__main__":
    main()
