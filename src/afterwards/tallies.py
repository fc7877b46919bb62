"""What workers have counted: numbers that only grow, by what they count. Pure.

A worker writes its tally as a whole, again and again, so that writing it twice changes nothing; tallies are added up
when they are read, and when their workers have gone. What a newer version counts besides is carried along.
"""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import TypeAlias

Kind: TypeAlias = tuple[str, str]  # a function's name and a queue
Counts: TypeAlias = Mapping[str, int]

MOST_KINDS = 200
OTHERS = "(others)"  # the function or queue of those beyond that, taken together
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)  # seconds

_MICROSECOND, _NOTHING = timedelta(microseconds=1), timedelta(0)
_LONGEST = timedelta.max // _MICROSECOND
_EDGES = tuple(timedelta(seconds=bound) for bound in BOUNDS)
_SHORTEST = _EDGES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many lengths were at most as long as each of `BOUNDS`, how many there were, and their sum."""

    up_to: tuple[int, ...]
    count: int
    sum: timedelta


class Sizes:
    """How many lengths of time there were of which size, and their sum. Made to be cheap: every run adds to one."""

    __slots__ = ("_counted", "_sum", "places")

    def __init__(self) -> None:
        self.places = [0] * (len(_EDGES) + 1)
        self._sum, self._counted = _NOTHING, 0

    def add(self, length: timedelta) -> None:
        """One more; less than none counts as none."""
        if length > _SHORTEST:
            self.places[bisect_left(_EDGES, length)] += 1
            try:
                self._sum += length
            except OverflowError:  # after some million years, which tasks of 1970 come to soon
                self._counted, self._sum = self.microseconds, length
        else:
            self.places[0] += 1
            if length > _NOTHING:
                self._sum += length

    @property
    def microseconds(self) -> int:
        """Their sum."""
        return self._counted + self._sum // _MICROSECOND


class Lengths:
    """How sizes are told, under names that begin with `what`. Sums are microseconds, so that they are exact."""

    def __init__(self, what: str) -> None:
        self._what = f"{what}:"
        self._sum = f"{what}:sum"
        self._places = tuple(f"{what}:{bound:g}" for bound in (*BOUNDS, float("inf")))

    def told(self, sizes: Sizes) -> dict[str, int]:
        """Those that there were."""
        places = {name: number for name, number in zip(self._places, sizes.places, strict=True) if number}
        return {**places, self._sum: sizes.microseconds} if places else {}

    def read(self, counts: Counts) -> Histogram:
        """What was counted; by other bounds too, as another version may have them."""
        places = [0] * len(self._places)
        for name, number in counts.items():
            if name.startswith(self._what) and name != self._sum:
                with contextlib.suppress(ValueError):  # another version counts something else there
                    places[bisect_left(BOUNDS, float(name.removeprefix(self._what)))] += number
        *up_to, count = accumulate(places)
        return Histogram(up_to=tuple(up_to), count=count, sum=min(counts.get(self._sum, 0), _LONGEST) * _MICROSECOND)


RUN, WAIT, LAG = Lengths("run"), Lengths("wait"), Lengths("lag")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """The runs of one kind: how many ended in each way, how long they ran and had waited.

    `first` says when the first of them was counted, by the store's clock, as microseconds since 1970.
    """

    first: int
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one worker has counted since it signed on, or several together.

    `counts` is what happened to the worker itself. `vitals` are not added up: they say how one worker is now.
    """

    runs: Mapping[Kind, RunCounts] = field(default_factory=dict[Kind, RunCounts])
    counts: Counts = field(default_factory=dict[str, int])
    vitals: Counts = field(default_factory=dict[str, int])

    @property
    def lag(self) -> timedelta:
        """How late the worker's event loop was lately, by its vitals."""
        return self.vitals.get("lag", 0) * _MICROSECOND

    @property
    def lost_leases(self) -> int:
        """How often the worker's process was believed dead, by its vitals."""
        return self.vitals.get("lost_leases", 0)


def added_up(tallies: Iterable[Tally], beside: Iterable[Tally] = ()) -> Tally:
    """All of them in one. Beyond `MOST_KINDS` kinds of runs, those that were counted first keep their names.

    So no sum ever falls: a kind may come to stand with the others later on, and none ever leaves them. Where some are
    put together for good, `beside` are those that are not, and may be named for a kind's sake.
    """
    tallies = tuple(tallies)
    names = Names(_by_age([*tallies, *beside]))
    runs: dict[Kind, RunCounts] = {}
    for tally in tallies:
        for kind, its in tally.runs.items():
            name = names.of(kind)
            runs[name] = _together(runs[name], its) if name in runs else its
    return Tally(runs=runs, counts=_sum(tally.counts for tally in tallies))


def _by_age(tallies: Iterable[Tally]) -> list[Kind]:
    first: dict[Kind, int] = {}
    for tally in tallies:
        for kind, its in tally.runs.items():
            first[kind] = min(first.get(kind, its.first), its.first)
    return sorted(first, key=lambda kind: (first[kind], kind))


class Names:
    """Under which kinds runs are counted: the first `MOST_KINDS` under their own."""

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self._kinds = set[Kind]()
        self._functions = {OTHERS}
        for kind in kinds:
            self.of(kind)

    def of(self, kind: Kind) -> Kind:
        """A function of which one queue has a name keeps its own for the other queues together."""
        if kind in self._kinds:
            return kind
        function, _ = kind
        if OTHERS not in kind and len(self._kinds) < MOST_KINDS:
            self._kinds.add(kind)
            self._functions.add(function)
            return kind
        return (function if function in self._functions else OTHERS, OTHERS)


def _together(one: RunCounts, other: RunCounts) -> RunCounts:
    return RunCounts(first=min(one.first, other.first), counts=_sum([one.counts, other.counts]))


def _sum(counts: Iterable[Counts]) -> dict[str, int]:
    total = defaultdict[str, int](int)
    for some in counts:
        for name, number in some.items():
            total[name] += number
    return dict(total)


def tally_text(tally: Tally) -> str:
    """A tally as it is stored: JSON, in ASCII."""
    runs = [[*kind, its.first, dict(its.counts)] for kind, its in tally.runs.items()]
    fields = {"runs": runs, "counts": dict(tally.counts), "vitals": dict(tally.vitals)}
    return json.dumps(fields, separators=(",", ":"))


def read_tally(text: str) -> Tally | None:
    """A stored tally; None for one in a form that only another version knows."""
    try:
        fields = json.loads(text)
        runs = {
            (str(function), str(queue)): RunCounts(first=int(first), counts=_counts(counts))
            for function, queue, first, counts, *_ in fields["runs"]
        }
        return Tally(runs=runs, counts=_counts(fields["counts"]), vitals=_counts(fields["vitals"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _counts(read: dict[str, int]) -> dict[str, int]:
    """As they were read, if all of them are numbers."""
    return {name: int(number) for name, number in read.items()}


def put_together(gone: Mapping[str, str], beside: Iterable[str]) -> tuple[list[str], str] | None:
    """Of stored tallies, by worker: which of the `gone` can be put together, and what that is, to be stored.

    `beside` are all others. None where there are fewer than two.
    """
    tallies = {worker: tally for worker, text in gone.items() if (tally := read_tally(text)) is not None}
    if len(tallies) < 2:
        return None
    others = (tally for text in beside if (tally := read_tally(text)) is not None)
    return list(tallies), tally_text(added_up(tallies.values(), others))
