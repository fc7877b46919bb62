"""The workloads of amounts: long arguments, many tasks that wait, the memory they take, many that have ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import cast

import client
import uvloop
from crowds import crowd_of

from measuring.draining import drained
from measuring.field import Entry
from measuring.processes import megabytes
from measuring.site import LeftOut, Site, site_for
from measuring.sizes import Figures, Sizes
from measuring.speed import CONNECTIONS, WARM, has_worker

TEXTS = {"300 B": (300, 1.0), "50 KB": (50_000, 0.05)}  # characters, and what part of the usual number of tasks
LEAST = 2_000  # tasks in a drain, or the hundred that begin at once make its rate
UNIT = 0.25  # of an entry's tasks: about a second's work
CALMS_WITHIN = 2.0  # seconds
SAMPLES_EVERY = 0.25  # seconds


def wide(entry: Entry, sizes: Sizes) -> Figures:
    """Adds one by one, and a drain by one process, with an argument of 300 bytes and one of 50 KB."""
    has_worker(entry)
    figures: Figures = {}
    for name, (length, part) in TEXTS.items():
        with site_for(entry) as site:
            answer = cast("dict[str, float]", site.ask("one", length, sizes.seconds / 2))
        figures[f"{name} one by one /s"] = round(answer["added"] / answer["seconds"], 1)
        usual = round(entry.drain * sizes.part)
        count = max(round(usual * part), min(usual, LEAST))
        done = drained(entry, count, text=length)
        if done.per_second is not None:
            figures[f"{name} drain /s"] = done.per_second
    return figures


def backlog(entry: Entry, sizes: Sizes) -> Figures:
    """About a second's work of one process, done while that much waits, ten times as much, and a hundred times."""
    has_worker(entry)
    figures: Figures = {}
    unit = max(round(entry.drain * sizes.part * UNIT), 50)
    for times in (1, 10, 100):
        done = drained(entry, unit, waiting=unit * times)
        if done.per_second is not None:
            figures[f"{times}× /s"] = done.per_second
    return figures


def memory(entry: Entry, sizes: Sizes) -> Figures:
    """Megabytes: of the app when it is idle and after a burst; of a worker idle, while it drains, and after that."""
    figures = _of_app(entry, sizes)
    return figures if entry.alone else figures | _of_worker(entry, sizes)


def history(entry: Entry, sizes: Sizes) -> Figures:
    """A drain by one process of an empty store, and of one with so many ended tasks; ours on SQL."""
    if not entry.is_ours or entry.alone or entry.store not in ("sqlite", "postgres"):
        raise LeftOut("only the SQL stores of ours are filled with what has ended")
    count = round(entry.drain * sizes.part)
    without = drained(entry, count)
    beside = drained(entry, count, beside=lambda site: _fill(site, sizes.history))
    assert without.per_second is not None, "one process has always begun"
    assert beside.per_second is not None, "one process has always begun"
    return {
        "with / without": round(beside.per_second / without.per_second, 3),
        "with /s": beside.per_second,
        "without /s": without.per_second,
        "with µs": round(beside.worker_microseconds + beside.store_microseconds, 1),
        "without µs": round(without.worker_microseconds + without.store_microseconds, 1),
    }


def _of_app(entry: Entry, sizes: Sizes) -> Figures:
    with site_for(entry) as site:
        site.new_record(WARM)
        with site.app() as (process, port):
            time.sleep(CALMS_WITHIN)
            idle = megabytes(process, without=site.record_path)
        record = site.new_record(1_000_000)
        with site.app() as (process, port), site.workers(0 if entry.in_app else 1):
            took, _ = uvloop.run(client.post_for(port, seconds=sizes.seconds, connections=CONNECTIONS))
            if entry.adds:
                site.until_run(record, len(took))
            time.sleep(CALMS_WITHIN)
            after = megabytes(process, without=site.record_path)
    return {"app idle MB": round(idle, 1), "app after MB": round(after, 1)}


def _of_worker(entry: Entry, sizes: Sizes) -> Figures:
    count = sizes.crowd if entry.is_ours else round(entry.drain * sizes.part)
    with site_for(entry) as site:
        record = site.new_record(WARM + count)
        with site.workers(1) as workers:
            site.ask("fill", 0, WARM, 0)
            site.until_run(record, WARM)
            time.sleep(CALMS_WITHIN)
            idle = megabytes(*workers, without=site.record_path)
        site.ask("fill", 0, count, WARM)
        with site.workers(1) as workers, _sampled(site, workers) as samples:
            site.until_run(record, record.room)
            time.sleep(CALMS_WITHIN)
            after = megabytes(*workers, without=site.record_path)
    return {
        "worker idle MB": round(idle, 1),
        "worker peak MB": round(max(samples), 1),
        "worker after MB": round(after, 1),
        "of tasks": count,
    }


@contextmanager
def _sampled(site: Site, workers: list[int]) -> Iterator[list[float]]:
    """What the workers took, again and again inside the block."""
    samples: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLES_EVERY):
            samples.append(megabytes(*workers, without=site.record_path))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _fill(site: Site, ended: int) -> None:
    with closing(crowd_of(site.entry.store, site.place.url)) as crowd:
        crowd.fill(ended, 0)
