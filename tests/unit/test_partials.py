from __future__ import annotations

import functools
from functools import partial

import pytest

from afterwards.partials import unfold


def send(*args, **kwargs):
    return args, kwargs


@pytest.mark.parametrize(
    "function",
    [
        send,
        partial(send, 1),
        partial(send, a=1),
        partial(partial(send, 1, a=1), 2, a=2, b=2),
    ],
)
def test_what_is_unfolded_is_called_as_the_partial_would_be(function):
    inner, args, kwargs = unfold(function, (8, 9), {"b": 3})
    assert inner is send
    assert inner(*args, **kwargs) == function(8, 9, b=3)


def test_a_partial_of_a_partial_that_stayed_apart_is_unfolded_too():
    inner = partial(send, 1)
    inner.__dict__["note"] = "an attribute keeps functools from merging the two"
    outer = partial(inner, 2)
    assert outer.func is inner
    assert unfold(outer, (3,), {}) == (send, (1, 2, 3), {})


@pytest.mark.skipif(not hasattr(functools, "Placeholder"), reason="Python 3.14 has placeholders")
def test_placeholders_take_the_first_arguments():
    hole = vars(functools)["Placeholder"]
    function = partial(send, hole, 2, hole, 4)
    assert unfold(function, (1, 3, 5), {})[1] == (1, 2, 3, 4, 5)
