"""The workloads of speed: what a system is asked to do, each on an empty store, and the figures that come of it."""

from __future__ import annotations

import statistics
import time
from typing import cast

import client
import uvloop
from systems.record import Record

from measuring.draining import drained
from measuring.field import Entry
from measuring.site import LeftOut, Refused, Site, site_for
from measuring.sizes import Figures, Sizes

CONNECTIONS = 32
WARM = 50  # requests or tasks before the first that counts
PAUSE = 0.02  # seconds from one add to the next on an idle system
LONGEST_BURST = 1_000_000  # requests, of which there is room in the record


def add(entry: Entry, sizes: Sizes) -> Figures:
    """Tasks a second: each awaited before the next, by many callers at once, and many in one call."""
    has_worker(entry)
    figures: Figures = {}
    for what, name in (("one", "one by one /s"), ("at-once", "at once /s"), ("bulk", "bulk /s")):
        with site_for(entry) as site:
            try:
                answer = cast("dict[str, float]", site.ask(what, 0, sizes.seconds))
            except LeftOut:
                continue
        figures[name] = round(answer["added"] / answer["seconds"], 1)
    return figures


def drain(entry: Entry, sizes: Sizes) -> Figures:
    """Waiting tasks a second, by one worker process, by two and by four; what one task costs of the processors."""
    has_worker(entry)
    figures: Figures = {}
    for processes in (1, 2, 4):
        count = round(entry.drain * sizes.part * (1 if processes == 1 else 2))
        done = drained(entry, count, processes=processes)
        if done.per_second is not None:
            figures[f"×{processes} /s"] = done.per_second
            figures[f"×{processes} worker µs"] = done.worker_microseconds
            figures[f"×{processes} store µs"] = done.store_microseconds
        if done.twice:
            figures[f"×{processes} ran twice"] = done.twice
    return figures


def latency(entry: Entry, sizes: Sizes) -> Figures:
    """From before an add to the start of its task, on an idle system with one worker process."""
    has_worker(entry)
    with site_for(entry) as site:
        record = site.new_record(WARM + sizes.samples)
        with site.workers(1):
            site.ask("fill", 0, WARM, 0)
            site.until_run(record, WARM)
            began = cast("list[int]", site.ask("spaced", sizes.samples, PAUSE, WARM))
            site.until_run(record, record.room)
        took = [record.started[WARM + number] - start for number, start in enumerate(began)]
    return {"p50 ms": _milliseconds(took, 50), "p99 ms": _milliseconds(took, 99)}


def request(entry: Entry, sizes: Sizes) -> Figures:
    """The same from before a request whose endpoint adds the task; and how long the answer takes."""
    with site_for(entry) as site:
        record = site.new_record(WARM + sizes.samples)
        with site.app() as (_, port), site.workers(0 if entry.in_app else 1):
            uvloop.run(client.post_spaced(port, count=WARM, pause=PAUSE))
            _until_all_run(site, record, WARM)
            exchanges = uvloop.run(client.post_spaced(port, count=sizes.samples, pause=PAUSE))
            _until_all_run(site, record, record.room)
        answers = [exchange.took for exchange in exchanges]
        figures = {"answer p50 ms": _milliseconds(answers, 50), "answer p99 ms": _milliseconds(answers, 99)}
        if entry.adds:
            took = [record.started[WARM + number] - exchange.began for number, exchange in enumerate(exchanges)]
            figures |= {"start p50 ms": _milliseconds(took, 50), "start p99 ms": _milliseconds(took, 99)}
    return figures


def http(entry: Entry, sizes: Sizes) -> Figures:
    """Requests a second over 32 keep-alive connections, each adds a task; and how long after them the last has run."""
    with site_for(entry) as site:
        record = site.new_record(LONGEST_BURST)
        with site.app() as (_, port), site.workers(0 if entry.in_app else 1):
            warm = _burst(port, 1.0)
            _until_all_run(site, record, len(warm))
            took = _burst(port, sizes.seconds)
            ended = time.monotonic_ns()
            _until_all_run(site, record, len(warm) + len(took))
        last = max(record.starts(len(warm) + len(took)), default=ended)
    return {
        "requests /s": round(len(took) / sizes.seconds, 1),
        "p50 ms": _milliseconds(took, 50),
        "p99 ms": _milliseconds(took, 99),
        "all done after s": round(max(last - ended, 0) / 1e9, 3),
    }


def has_worker(entry: Entry) -> None:
    """Raises LeftOut for a system whose tasks run in the app alone."""
    if entry.alone:
        raise LeftOut("its tasks run in the app alone")


def _until_all_run(site: Site, record: Record, count: int) -> None:
    if site.entry.adds:
        site.until_run(record, count)


def _burst(port: int, seconds: float) -> list[int]:
    took, statuses = uvloop.run(client.post_for(port, seconds=seconds, connections=CONNECTIONS))
    if set(statuses) != {b"200"}:
        raise Refused(f"not all requests were answered with 200: {statuses}")
    return [round(one * 1e9) for one in took]


def _milliseconds(took: list[int], percent: int) -> float:
    return round(statistics.quantiles(took, n=100)[percent - 1] / 1e6, 3)
