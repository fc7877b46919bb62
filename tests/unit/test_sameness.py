from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from afterwards.sameness import same
from tests.unit.some_values import (
    Color,
    Customer,
    Lasting,
    Order,
    Person,
    Point,
    Remembered,
    RushOrder,
    Size,
    Weight,
    open_model,
)

BERLIN = ZoneInfo("Europe/Berlin")
AN_HOUR = timezone(timedelta(hours=1))


class Stubborn:
    """Cannot be compared, as an array of many truths."""

    def __eq__(self, other):
        raise ValueError("the truth of this is ambiguous")

    def __hash__(self):
        return 0


@pytest.mark.parametrize(
    ("given", "back"),
    [
        ("text", "text"),
        (1, 1),
        (1, 1.0),
        (math.nan, float("nan")),
        (Decimal("1.10"), Decimal("1.10")),
        (None, None),
        ([1, [2.5, "a"]], [1, [2.5, "a"]]),
        ([1, 2.5], [1.0, 2.5]),
        ((1, (math.nan,)), (1, (math.nan,))),
        ({1, 2}, {1.0, 2.0}),
        ({1.5, float("nan")}, {1.5, float("nan")}),
        (frozenset({"a"}), frozenset({"a"})),
        ({"a": [1]}, {"a": [1]}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: "a"}, {1.0: "a"}),
        ({float("nan"): 1}, {float("nan"): 1}),
        (deque([1], maxlen=2), deque([1], maxlen=2)),
        (defaultdict(list, a=[1]), defaultdict(list, a=[1])),
        (OrderedDict(a=1), OrderedDict(a=1)),
        (Counter("aab"), Counter("aab")),
        (Color.RED, Color.RED),
        (Path("a"), Path("a")),
        (re.compile("a"), re.compile("a")),
        (Point(1, 2), Point(1, 2.0)),
        (Order("a", [1]), Order("a", [1.0])),
        (Weight(1), Weight(1)),
        (Person(name="a"), Person(name="a", age=0)),
        (open_model(value=1, more=[1]), open_model(value=1, more=[1])),
        (date(2026, 1, 1), date(2026, 1, 1)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=timezone(timedelta(0)))),
        (datetime(2026, 1, 1, tzinfo=BERLIN), datetime(2026, 1, 1, tzinfo=AN_HOUR)),
        (datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 30, tzinfo=AN_HOUR)),
        (time(1, tzinfo=UTC), time(1, tzinfo=UTC)),
    ],
)
def test_what_is_equal_and_of_the_same_type_is_the_same(given, back):
    assert same(given, back)


@pytest.mark.parametrize(
    ("given", "back"),
    [
        ("text", "other"),
        ("text", b"text"),
        (1, 2),
        (1, True),
        (True, 1),
        (True, 1.0),
        (1.0, 1),
        (2**53 + 1, float(2**53)),
        (1, complex(1)),
        (Decimal("1.10"), Decimal("1.1")),
        (Decimal(1), 1),
        (1, Decimal(1)),
        (math.nan, 0.0),
        ((1,), [1]),
        ([1, 2], [1]),
        ([1], [True]),
        ([[1]], [["1"]]),
        ({1}, {True}),
        ({"a"}, {"b"}),
        ({"a"}, {"a", "b"}),
        ({1}, frozenset({1})),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 1}),
        ({1: "a"}, {"1": "a"}),
        ({"small": 1}, {Size.SMALL: 1}),
        ({"a": 1, "small": 1}, {Size.SMALL: 1, "a": 1}),
        (deque([1], maxlen=2), deque([1])),
        (defaultdict(list), defaultdict(dict)),
        (OrderedDict(a=1), {"a": 1}),
        (Size.SMALL, "small"),
        ("small", Size.SMALL),
        (Color.RED, Color.GREEN),
        (re.compile("a", re.IGNORECASE), re.compile("a")),
        (Point(1, 2), (1, 2)),
        (Order("a"), Order("b")),
        (Order("a", note=(1,)), Order("a", note=[1])),
        (RushOrder("a"), Order("a")),
        (Person(name="a"), Person(name="b")),
        (Customer(name="a"), Person(name="a")),
        (open_model(value=1, more=(1,)), open_model(value=1, more=[1])),
        (open_model(value=1, more=1), open_model(value=1)),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001  # the point of it
        (datetime(2026, 1, 1, 1, tzinfo=AN_HOUR), datetime(2026, 1, 1, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30, fold=1), datetime(2026, 10, 25, 2, 30)),  # noqa: DTZ001  # the point of it
        (datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)),
        (time(1, tzinfo=UTC), time(1)),
        (UUID(int=1), str(UUID(int=1))),
        (Stubborn(), Stubborn()),
        (object(), object()),
    ],
)
def test_what_differs_anywhere_is_not_the_same(given, back):
    assert not same(given, back)


def test_a_models_private_attributes_count():
    given, back = Lasting(value=1), Lasting(value=1)
    assert same(given, back)
    given._notes.append("a note")  # noqa: SLF001  # as the model's own methods do
    assert not same(given, back)


def test_what_a_cached_property_left_behind_does_not_count():
    given, back = Lasting(value=1), Lasting(value=1)
    assert given.slow is not back.slow
    assert same(given, back)


def test_a_field_that_takes_no_part_in_making_or_comparing_does_not_count():
    given, back = Remembered(1), Remembered(1)
    given.cache["slow"] = 1
    assert same(given, back)


def test_an_attribute_that_is_missing_is_not_the_same_as_one_that_is_there():
    given = Order("a")
    del given.prices
    assert not same(given, Order("a"))
