"""Counts that add up: what is told of lengths, who is named when there are too many, and what another version wrote."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta

import pytest

from afterwards.tallies import (
    BOUNDS,
    LAG,
    MOST_KINDS,
    OTHERS,
    RUN,
    Counts,
    Kind,
    Names,
    RunCounts,
    Sizes,
    Tally,
    added_up,
    put_together,
    read_tally,
    tally_text,
)


def counted(*lengths: float) -> Counts:
    return RUN.told(sizes(*lengths))


def sizes(*lengths: float) -> Sizes:
    made = Sizes()
    for length in lengths:
        made.add(timedelta(seconds=length))
    return made


def a_tally(*kinds: Kind, first: int = 0, done: int = 1) -> Tally:
    runs = {kind: RunCounts(first=first + place, counts={"done": done}) for place, kind in enumerate(kinds)}
    return Tally(runs=runs, counts={"lost_leases": 1}, vitals={"lag": 5})


def some_kinds(count: int, *, start: int = 0) -> list[Kind]:
    return [(f"app:f{number}", "default") for number in range(start, start + count)]


def done_of(tally: Tally) -> dict[Kind, int]:
    return {kind: its.counts["done"] for kind, its in tally.runs.items()}


def test_a_length_is_counted_up_to_each_bound_that_is_not_shorter():
    told = RUN.read(counted(0, 0.005, 0.0051, 3600, 3601))
    assert told.up_to[:2] == (2, 3)
    assert (told.up_to[-1], told.count) == (4, 5)
    assert told.sum == timedelta(seconds=7201.0101)
    assert list(told.up_to) == sorted(told.up_to)


def test_less_than_no_time_is_none():
    told = RUN.read(counted(-5))
    assert (told.up_to[0], told.sum) == (1, timedelta(0))


def test_lengths_of_any_sum_are_counted():
    long = 80_000_000_000_000.0  # seconds; a timedelta has no more than 86,399,999,999,999
    told = counted(long, long, 1.5)
    assert told["run:sum"] == 160_000_000_000_001_500_000  # microseconds
    assert RUN.read(told).count == 3
    assert RUN.read(told).sum == timedelta.max, "more cannot be said"


def test_of_no_lengths_nothing_is_told():
    assert RUN.told(sizes()) == {}
    assert RUN.told(sizes(0.003, 0.003)) == {"run:0.005": 2, "run:sum": 6_000}


def test_lengths_of_one_kind_are_not_those_of_another():
    counts = {"done": 7, **LAG.told(sizes(1.0))}
    assert RUN.read(counts).count == 0
    assert LAG.read(counts).count == 1


def test_bounds_of_another_version_are_counted_at_the_next_that_is_not_shorter():
    told = RUN.read({"run:0.3": 2, "run:7200": 1, "run:sum": 9})
    assert told.up_to[BOUNDS.index(0.25)] == 0
    assert told.up_to[BOUNDS.index(0.5)] == 2
    assert told.count == 3
    assert RUN.read({"run:longest": 9, "run:1": 2}).count == 2


def test_tallies_add_up_and_vitals_do_not():
    both = added_up([a_tally(("app:f", "mail"), first=9), a_tally(("app:f", "mail"), ("app:g", "mail"), first=4)])
    assert done_of(both) == {("app:f", "mail"): 2, ("app:g", "mail"): 1}
    assert both.runs["app:f", "mail"].first == 4
    assert (both.counts, both.vitals) == ({"lost_leases": 2}, {})


def test_a_tally_comes_back_as_it_was_stored():
    tally = a_tally(('odd "queue"\n', "schräg \x00 \ud800"))
    assert read_tally(tally_text(tally)) == tally
    assert tally_text(tally).isascii()
    assert "\x00" not in tally_text(tally)


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "[]", "3", '{"counts":{}}'),
        '{"runs":[["f"]],"counts":{},"vitals":{}}',
        '{"runs":[],"counts":[1],"vitals":{}}',
        '{"runs":[],"counts":{"done":"many"},"vitals":{}}',
        '{"runs":[["f","q",0,{"done":null}]],"counts":{},"vitals":{}}',
        '{"runs":{"f":1},"counts":{},"vitals":{}}',
    ],
)
def test_a_form_that_is_not_known_is_no_tally(text: str):
    assert read_tally(text) is None


def test_what_a_newer_version_counts_is_carried_along():
    newer = '{"runs":[["app:f","mail",3,{"done":1,"slept":2},"more"]],"counts":{"dreams":4},"vitals":{},"x":1}'
    together = put_together({"a": newer, "b": newer}, [])
    assert together is not None
    workers, text = together
    both = read_tally(text)
    assert both is not None
    assert (workers, both.counts) == (["a", "b"], {"dreams": 8})
    assert both.runs["app:f", "mail"].counts == {"done": 2, "slept": 4}


def test_one_is_not_put_together_nor_what_cannot_be_read():
    one = tally_text(a_tally(("app:f", "mail")))
    assert put_together({}, [one]) is None
    assert put_together({"a": one, "b": "of another time"}, [one]) is None
    together = put_together({"a": one, "b": "of another time", "c": one}, ["of another time"])
    assert together is not None
    assert together[0] == ["a", "c"]


def test_of_too_many_kinds_the_first_keep_their_names():
    tally = added_up([a_tally(*some_kinds(MOST_KINDS + 3))])
    assert len(tally.runs) == MOST_KINDS + 1
    assert done_of(tally)[OTHERS, OTHERS] == 3
    assert ("app:f0", "default") in tally.runs


def test_queues_without_end_do_not_cost_a_function_its_name():
    queues = [("app:send", f"customer {number}") for number in range(MOST_KINDS + 5)]
    tally = added_up([a_tally(*queues)])
    assert done_of(tally)["app:send", OTHERS] == 5
    later = added_up([tally, a_tally(("app:new", "default"), first=10_000)])
    assert done_of(later)[OTHERS, OTHERS] == 1


def test_names_are_given_in_the_order_in_which_they_are_asked_for():
    names = Names()
    kinds = some_kinds(MOST_KINDS + 1)
    assert [names.of(kind) for kind in kinds] == [*kinds[:-1], (OTHERS, OTHERS)]
    assert names.of(("app:f0", "elsewhere")) == ("app:f0", OTHERS)
    assert names.of(kinds[0]) == kinds[0]


@pytest.mark.parametrize("seed", range(3))
def test_no_sum_falls_however_tallies_grow_and_are_put_together(seed: int):
    """Workers come, count, go and are put together at random: what was told under a name is never more than now."""
    chance = random.Random(seed)
    living = [dict[Kind, RunCounts]() for _ in range(4)]
    named = [Names() for _ in living]
    gone = Tally()
    told: dict[Kind, int] = {}
    for clock in range(4000):
        worker = chance.randrange(4)
        kind = named[worker].of((f"app:f{chance.randrange(150)}", f"q{chance.randrange(3)}"))
        runs = living[worker]
        before = runs.get(kind)
        first, done = (clock, 0) if before is None else (before.first, before.counts["done"])
        runs[kind] = RunCounts(first=first, counts={"done": done + 1})
        if chance.random() < 0.005:
            living[worker], named[worker] = {}, Names()
            gone = added_up([gone, Tally(runs=runs)], [Tally(runs=others) for others in living])
        if clock % 20 == 0:
            now = done_of(added_up([gone, *(Tally(runs=runs) for runs in living)]))
            assert {kind: count for kind, count in told.items() if now.get(kind, count) < count} == {}
            assert sum(now.values()) == clock + 1
            told = now
    assert len(told) > MOST_KINDS


def test_the_sum_is_the_same_in_whatever_order():
    tallies = [Tally(runs={("f", "q"): RunCounts(first=0, counts=counted(*some_lengths(seed)))}) for seed in range(9)]
    assert added_up(tallies) == added_up(reversed(tallies)) == added_up([added_up(tallies[:4]), *tallies[4:]])


def some_lengths(seed: int) -> Iterable[float]:
    chance = random.Random(seed)
    return (chance.expovariate(0.1) for _ in range(50))
