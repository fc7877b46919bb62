"""Whatever `write` accepts, `read` gives back equal and of the same type, for many types and values."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from afterwards.codec import Arguments
from afterwards.errors import CannotStore
from afterwards.sameness import same
from tests.unit.some_values import Color, Order, Person, Point, Weight, open_model

texts = st.text(st.characters(codec="utf-8"), max_size=20)
zones = st.sampled_from([UTC]) | st.timezones()
numbers = st.integers(-(2**53), 2**53) | st.floats()  # an int that a float can hold exactly may stand for one
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

TYPED: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(),
    float: numbers,
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    complex: st.complex_numbers(allow_nan=False),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    date: st.dates(),
    datetime: st.datetimes().map(lambda it: it.replace(fold=0)),  # JSON has no word for the second 02:30 of a night
    time: st.times().map(lambda it: it.replace(fold=0)),
    timedelta: st.timedeltas(),
    Color: st.sampled_from(Color),
    PurePosixPath: st.lists(st.from_regex(r"[a-z]+", fullmatch=True), max_size=3).map(lambda it: PurePosixPath(*it)),
    Person: st.builds(Person, name=texts, age=st.integers()) | st.builds(Person, name=texts),
    # Inside a dataclass or a model its own configuration decides, and pydantic's default writes infinity as null.
    Order: st.builds(Order, item=texts, prices=st.lists(numbers.filter(math.isfinite), max_size=3), note=plain),
    Weight: st.builds(Weight, grams=st.integers()),
    Point: st.builds(Point, x=st.integers(), y=numbers),
    Any: plain,
}
typed = st.sampled_from(list(TYPED))


def lists(kind: Any) -> tuple[Any, st.SearchStrategy[Any]]:
    return list[kind], st.lists(TYPED[kind], max_size=3)


def tuples(kind: Any) -> tuple[Any, st.SearchStrategy[Any]]:
    return tuple[kind, ...], st.lists(TYPED[kind], max_size=3).map(tuple)


def dictionaries(kind: Any) -> tuple[Any, st.SearchStrategy[Any]]:
    return dict[str, kind], st.dictionaries(texts, TYPED[kind], max_size=3)


def optional(kind: Any) -> tuple[Any, st.SearchStrategy[Any]]:
    return kind | None if kind is not Any else Any, st.none() | TYPED[kind]


@st.composite
def annotated_values(draw: st.DrawFn) -> tuple[Any, Any]:
    """An annotation, and a value that it allows."""
    kind = draw(typed)
    wrap = draw(st.sampled_from([lists, tuples, dictionaries, optional, lambda it: (it, TYPED[it])]))
    annotation, values = wrap(kind)
    return annotation, draw(values)


class Call(NamedTuple):
    annotations: dict[str, Any]
    args: tuple[object, ...]
    kwargs: dict[str, object]


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Two arguments by position, two by name."""
    given = {name: draw(annotated_values()) for name in ("a", "b", "c", "d")}
    return Call(
        {name: annotation for name, (annotation, _) in given.items()},
        tuple(given[name][1] for name in ("a", "b")),
        {name: given[name][1] for name in ("d", "c")},
    )


def function_with(annotations: Mapping[str, Any]) -> Any:
    def function(a, b=None, *, c=None, d=None): ...

    function.__annotations__ = dict(annotations)
    return function


# Each example compiles a schema, so that the first ones are slow.
unhurried = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@unhurried
@given(calls())
def test_what_the_annotations_allow_is_stored_and_comes_back_the_same(call: Call):
    arguments = Arguments(function_with(call.annotations), "function")
    text = arguments.write(call.args, call.kwargs)
    args, kwargs = arguments.read(text)
    assert same(call.args, args)
    assert same(call.kwargs, kwargs)


@unhurried
@given(st.lists(st.one_of(*TYPED.values()), min_size=1, max_size=2), typed)
def test_whatever_is_accepted_comes_back_the_same_and_all_else_is_refused(values: list[object], annotation: Any):
    arguments = Arguments(function_with({"a": annotation}), "function")
    try:
        text = arguments.write(tuple(values), {})
    except CannotStore as refused:
        assert "the argument" in str(refused)  # noqa: PT017  # one of two allowed ends
        return
    args, _ = arguments.read(text)
    assert same(tuple(values), args)


@unhurried
@given(plain)
def test_plain_values_need_no_annotation(value: object):
    arguments = Arguments(function_with({}), "function")
    assert same(((value,), {}), arguments.read(arguments.write((value,), {})))


@given(plain)
def test_what_is_stored_is_json(value: object):
    json.loads(Arguments(function_with({}), "function").write((value,), {}))


@unhurried
@given(st.datetimes(timezones=zones))
def test_an_instant_keeps_its_reading_and_its_distance_from_utc(instant: datetime):
    offset = instant.utcoffset()
    assume(offset is not None and offset % timedelta(minutes=1) == timedelta(0))  # as zones have had for a century
    arguments = Arguments(function_with({"a": datetime}), "function")
    [back], _ = arguments.read(arguments.write((instant,), {}))
    assert isinstance(back, datetime)
    assert (back.replace(tzinfo=None, fold=0), back.utcoffset()) == (instant.replace(tzinfo=None, fold=0), offset)


@given(st.dictionaries(st.from_regex(r"[a-z]{2,8}", fullmatch=True), plain, max_size=3))
def test_extra_fields_of_a_model_are_kept(extra: dict[str, object]):
    assume("value" not in extra)
    model = open_model(value=1, **extra)
    arguments = Arguments(function_with({"a": type(model)}), "function")
    assert same(((model,), {}), arguments.read(arguments.write((model,), {})))


class Suit(enum.Flag):
    HEARTS = 1
    SPADES = 2


@pytest.mark.parametrize("value", [Suit.HEARTS, Suit.HEARTS | Suit.SPADES, Suit(0)])
def test_flags_may_be_combined(value: Suit):
    arguments = Arguments(function_with({"a": Suit}), "function")
    assert arguments.read(arguments.write((value,), {})) == ((value,), {})
