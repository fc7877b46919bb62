"""How fast it goes, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterwards.dashboard.showing import length
from afterwards.throughput import Throughput, pace

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "seconds", "said"),
    [
        (0, 300, "0"),
        (1, 300, "0.2 a minute"),
        (17, 300, "3.4 a minute"),
        (120, 300, "24 a minute"),
        (299, 300, "60 a minute"),
        (300, 300, "1 a second"),
        (2_000, 588, "3.4 a second"),
        (2_000, 0.5, "4,000 a second"),
        (1, 1e-6, "1,000,000 a second"),
    ],
)
def test_it_is_said_by_the_second_or_by_the_minute(count: int, seconds: float, said: str):
    assert pace(count, timedelta(seconds=seconds)) == said


def test_a_clock_that_was_set_back_makes_no_time_of_less_than_nothing():
    lately = Throughput(since=NOW, now=NOW - timedelta(seconds=1), by_queue={"mail": 1})
    assert lately.length > timedelta(0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 ms"), (1e-6, "1 µs"), (0.000_64, "640 µs"), (0.001, "1 ms"), (0.0154, "15 ms"), (2.25, "2.2 s")],
)
def test_what_took_less_than_a_millisecond_is_told_by_microseconds(seconds: float, said: str):
    assert length(timedelta(seconds=seconds)) == said
