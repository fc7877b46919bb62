from __future__ import annotations

import functools
import gc
import warnings
from functools import partial

import pytest

from afterwards.errors import CannotName
from afterwards.partials import unfold
from tests.unit import some_tasks as tasks


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


def test_a_coroutine_is_told_to_be_a_call_and_closed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=r"called already: write add_task\(send_later, \.\.\.\)"):
            unfold(tasks.send_later("a@example.org"), (), {})  # type: ignore[arg-type]  # the point of it
        gc.collect()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, r"not None: after add_task\(send\(x\)\)"),
        ("send", r"not 'send' of type str: write add_task\(send, x\)"),
        (5, "a function is wanted, not 5 of type int"),
    ],
)
def test_what_is_no_function_is_no_task(given, words):
    with pytest.raises(TypeError, match=words):
        unfold(given, (), {})


@pytest.mark.parametrize("function", [tasks.send_piecemeal, partial(tasks.sending, "a"), partial(tasks.send_piecemeal)])
def test_a_function_whose_body_a_call_would_not_run_is_refused_inside_of_a_partial_too(function):
    with pytest.raises(CannotName, match="calling it runs nothing of its body"):
        unfold(function, (), {})
