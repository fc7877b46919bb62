"""What is told of a store in the form of Prometheus: names, types and labels of all metrics. Pure.

How many series there are is bounded: of queues and of kinds of runs so many are told by name, and the others together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from afterwards.outcomes import Ending
from afterwards.tallies import BOUNDS, LAG, OTHERS, RUN, WAIT, Counts, Histogram, Kind, Lengths, Tally, added_up
from afterwards.tasks import Census, State, WorkerId

MOST_QUEUES = 100
_EDGES = (*map(str, BOUNDS), "+Inf")


class _ByLabel(NamedTuple):
    """Counts of one name: by what, and what of that is told even when nothing was counted."""

    label: str
    says: str
    always: tuple[State, ...] = ()


_EVENTS = {
    "lost_leases": "Times that a worker was believed dead and was not.",
    "dropped_results": "Results that came after another worker had been given the task.",
    "strayed_claims": "Claims that the store knew of and their worker did not.",
    "failed_late_adds": "Tasks added after the response had begun that could not be stored.",
    "overruns": "Runs that went on after their timeout.",
}
_EVENTS_BY_LABEL = {
    "rescued_tasks": _ByLabel(
        "state", "Tasks returned from dead workers.", (State.WAITING, State.FAILED, State.CANCELLED)
    ),
    "store_outages": _ByLabel("doing", "Times that the store ceased to answer, by what was being done."),
    "loop_errors": _ByLabel("loop", "Unexpected errors in the loops of a worker."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at the store has brought."""

    census: Census
    tallies: Mapping[WorkerId, Tally]


def families(seen: Seen | None) -> Iterator[Metric]:
    """All metrics; without a look, since the store did not answer, only that."""
    yield GaugeMetricFamily("afterwards_store_up", "Whether the store has answered.", value=int(seen is not None))
    if seen is not None:
        yield from _of_census(seen.census)
        total = added_up(seen.tallies.values())
        yield from _of_runs(total)
        yield from _of_workers(total.counts)
        yield _longest_lag(seen)


# How it is now, as the store counts it


def _of_census(census: Census) -> Iterator[Metric]:
    tasks = {str(state): census.by_state.get(state, 0) for state in State}
    held = {str(hold): count for hold, count in census.held.items()}
    ages = {queue: (census.now - since).total_seconds() for queue, since in census.oldest_due.items()}
    yield _family("tasks", "Tasks in the store.", "state", tasks)
    yield _family("waiting_tasks", "Waiting tasks.", "queue", _summed(census.waiting_by_queue))
    yield _family("held_tasks", "Waiting tasks that something holds back.", "hold", held)
    yield GaugeMetricFamily("afterwards_due_tasks", "Waiting tasks that nothing holds back.", value=census.waiting_due)
    yield _family("oldest_due_seconds", "How long the first of them has been due.", "queue", _longest(ages))
    yield _family("workers", "Workers that are signed on.", "state", _workers(census))
    yield GaugeMetricFamily("afterwards_paused_queues", "Queues that are paused.", value=len(census.paused))


def _family(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"afterwards_{name}", says, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _workers(census: Census) -> dict[str, int]:
    states = Counter(
        "dead" if worker.expires < census.now else "leaving" if worker.leaving else "alive" for worker in census.workers
    )
    return {state: states[state] for state in ("alive", "leaving", "dead")}


def _summed(by_queue: Mapping[str, int]) -> dict[str, int]:
    """The largest, and the others in one."""
    largest = sorted(by_queue.items(), key=lambda item: (-item[1], item[0]))
    others = sum(count for _, count in largest[MOST_QUEUES:])
    return dict(largest[:MOST_QUEUES]) | ({OTHERS: others} if others else {})


def _longest(ages: Mapping[str, float]) -> dict[str, float]:
    """Those that wait for longest: what is left out waits for less."""
    longest = sorted(ages.items(), key=lambda item: (-item[1], item[0]))
    return dict(longest[:MOST_QUEUES])


def _longest_lag(seen: Seen) -> Metric:
    there = {worker.id for worker in seen.census.workers}
    lags = [tally.lag.total_seconds() for worker, tally in seen.tallies.items() if worker in there]
    says = "How late the event loop of a worker was since its last renewal, of the latest one."
    return GaugeMetricFamily("afterwards_longest_event_loop_lag_seconds", says, value=max(lags, default=0.0))


# What has happened since the store was made, as workers count it


def _of_runs(total: Tally) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "afterwards_runs", "Runs that have ended, by how.", labels=["function", "queue", "ending"]
    )
    for kind, its in total.runs.items():
        for ending in Ending:
            ended.add_metric([*kind, ending], its.counts.get(ending, 0))
    yield ended
    yield _lengths("run_seconds", "How long runs took.", RUN, total)
    yield _lengths("wait_seconds", "How long tasks had been due when they were claimed.", WAIT, total)


def _lengths(name: str, says: str, lengths: Lengths, total: Tally) -> Metric:
    family = HistogramMetricFamily(f"afterwards_{name}", says, labels=["function", "queue"])
    for kind, its in total.runs.items():
        _add(family, kind, lengths.read(its.counts))
    return family


def _of_workers(counts: Counts) -> Iterator[Metric]:
    for name, says in _EVENTS.items():
        yield CounterMetricFamily(f"afterwards_{name}", says, value=counts.get(name, 0))
    for name, by in _EVENTS_BY_LABEL.items():
        family = CounterMetricFamily(f"afterwards_{name}", by.says, labels=[by.label])
        told = {str(value): 0 for value in by.always} | _under(f"{name}:", counts)
        for value, number in told.items():
            family.add_metric([value], number)
        yield family
    lag = HistogramMetricFamily("afterwards_event_loop_lag_seconds", "How late event loops of workers were.", labels=[])
    _add(lag, (), LAG.read(counts))
    yield lag


def _under(prefix: str, counts: Counts) -> dict[str, int]:
    """By what comes after that."""
    return {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}


def _add(family: HistogramMetricFamily, labels: Kind | tuple[()], histogram: Histogram) -> None:
    buckets = list(zip(_EDGES, (*histogram.up_to, histogram.count), strict=True))
    family.add_metric(list(labels), buckets, histogram.sum / timedelta(seconds=1))
