"""How fast worker processes run what waits, and what that costs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from measuring.field import Entry
from measuring.processes import cpu_seconds
from measuring.site import Site, site_for

ENOUGH = 0.2  # of the tasks, for a rate, must be left when all processes have begun


@dataclass(frozen=True, kw_only=True)
class Drained:
    """Tasks a second from when the last of the processes had begun, None if too few were left then.

    Microseconds of a processor for each task, of the workers and of the store's server. How many tasks ran twice.
    """

    per_second: float | None
    worker_microseconds: float
    store_microseconds: float
    twice: int


def drained(
    entry: Entry,
    count: int,
    *,
    waiting: int | None = None,
    processes: int = 1,
    text: int = 0,
    beside: Callable[[Site], None] | None = None,
) -> Drained:
    """The first `count` of so many `waiting` tasks (as many), with a text of that length, after `beside` was done."""
    room = count if waiting is None else waiting
    with site_for(entry) as site:
        if beside is not None:
            beside(site)
        record = site.new_record(room)
        site.ask("fill", text, room, 0)
        with site.workers(processes) as workers:
            site.until_run(record, 1, of=room)
            run, before = record.count(room), _used(site, workers)
            site.until_run(record, count, of=room)
            after, run = _used(site, workers), record.count(room) - run
        costs = [round((used - since) / max(run, 1) * 1e6, 1) for used, since in zip(after, before, strict=True)]
        return Drained(
            per_second=rate(record.starts(room)[:count], record.processes(), processes),
            worker_microseconds=costs[0],
            store_microseconds=costs[1],
            twice=record.twice(room),
        )


def _used(site: Site, workers: list[int]) -> tuple[float, float]:
    server = site.place.server
    return cpu_seconds(*workers), 0.0 if server is None else cpu_seconds(server)


def rate(starts: list[int], begun: list[int], processes: int) -> float | None:
    """Of these starts, a second, from when the last of the processes had begun; all in nanoseconds, in order."""
    since = begun[processes - 1] if processes <= len(begun) else starts[0]
    since = max(since, starts[0])
    left = len(starts) - bisect_right(starts, since)
    if left < ENOUGH * len(starts):
        return None
    return round(left / (starts[-1] - since) * 1e9, 1)
