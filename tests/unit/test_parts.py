from __future__ import annotations

import pytest

from afterwards.parts import first_difference, parts
from tests.unit.some_values import Order, Person, Weight, open_model


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ([7, 8], ["[0]", "[1]"]),
        ((7,), ["[0]"]),
        ({"a": 1, 2: 3}, ["['a']", "[2]"]),
        ({"member"}, ["{'member'}"]),
        (Order("a"), [".item", ".prices", ".note"]),
        (Weight(1), [".grams", ".doubled"]),
        (Person(name="a"), [".name", ".age", ".tags"]),
        (open_model(value=1, more=2), [".value", ".more"]),
        ("text", []),
        (5, []),
    ],
)
def test_each_part_says_how_to_reach_it(value, labels):
    assert [label for label, _ in parts(value)] == labels


@pytest.mark.parametrize(
    ("given", "back", "expected"),
    [
        ([1, {"a": (2,)}], [1, {"a": [2]}], ("[1]['a']", (2,), [2])),
        (Order("a", note={"b": {1}}), Order("a", note={"b": [1]}), (".note['b']", {1}, [1])),
        ((1,), [1], ("", (1,), [1])),
        ({1: 2}, {"1": 2}, ("", {1: 2}, {"1": 2})),
        ([1, 2], [1], ("", [1, 2], [1])),
        ("a", "b", ("", "a", "b")),
    ],
)
def test_the_first_difference_is_found_as_deep_as_it_can_be_told(given, back, expected):
    assert first_difference(given, back) == expected
