from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import Depends

from afterwards.annotations import SOLVED, signatures
from afterwards.parameters import Parameters
from tests.unit import some_tasks as tasks


def of(function):
    return Parameters(function, signatures(function)[0])


def plain(a, b=2, *, c=3, d): ...


def only_positional(a, b=2, /, c=3, **named): ...


def everything(a, /, b, *rest, c, d=4, **named): ...


def odd_names(self, model_config, schema, args, kwargs, _hidden, __dunder__, größe, 名前): ...  # noqa: N803  # the point of it


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (plain, (1,), {"d": 4}),
        (plain, (1, 2), {"d": 4, "c": 3}),
        (plain, (), {"d": 4, "a": 1}),
        (only_positional, (1,), {}),
        (only_positional, (1, 2, 3), {}),
        (only_positional, (1,), {"c": 5, "a": 6}),
        (everything, (1, 2), {"c": 3}),
        (everything, (1, 2, 8, 9), {"c": 3, "a": 5, "rest": 6, "named": 7}),
        (everything, (1,), {"b": 2, "c": 3}),
        (odd_names, (1, 2, 3), {"args": 4, "kwargs": 5, "_hidden": 6, "__dunder__": 7, "größe": 8, "名前": 9}),
        (tasks.Mailer.send_many, ([],), {}),
        (print, ("a", "b"), {"sep": ""}),
    ],
)
def test_the_call_that_is_made_again_binds_as_the_first_did(function, args, kwargs):
    parameters = of(function)
    values = parameters.bind(args, kwargs)
    again = parameters.call(values)
    [signature] = signatures(function)
    assert signature.bind(*again[0], **again[1]) == signature.bind(*args, **kwargs)


def test_what_is_bound_stands_in_the_order_of_the_parameters():
    assert list(of(plain).bind((), {"d": 4, "c": 3, "a": 1})) == ["a", "c", "d"]


def test_defaults_are_not_bound():
    assert of(plain).bind((1,), {"d": 4}) == {"a": 1, "d": 4}


def test_a_parameter_behind_one_that_was_left_out_is_passed_by_name():
    def function(a=1, b=2): ...

    parameters = of(function)
    assert parameters.call(parameters.bind((), {"b": 5})) == ((), {"b": 5})


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1,), {}, "missing a required.* argument: 'd'"),
        ((1, 2, 3), {"d": 4}, "too many positional arguments"),
        ((1,), {"d": 4, "e": 5}, "unexpected keyword argument 'e'"),
        ((1,), {"d": 4, "a": 5}, "multiple values for argument 'a'"),
    ],
)
def test_a_call_that_python_would_refuse_is_refused_at_once(args, kwargs, words):
    with pytest.raises(TypeError, match=rf"^plain\(\) .*{words}"):
        of(plain).bind(args, kwargs)


def dependency() -> int:
    return 1


def with_dependency(a: int, b: int = Depends(dependency)) -> None: ...


def with_annotated_dependency(a: int, b: Annotated[int, Depends(dependency)]) -> None: ...


def with_default(a: int, b: Annotated[int, Depends(dependency)] = SOLVED) -> None: ...


def with_dependency_first(b: Annotated[int, Depends(dependency)], a: int) -> None: ...


with_all = pytest.mark.parametrize("function", [with_dependency, with_annotated_dependency, with_default])


@with_all
def test_a_dependency_that_is_left_out_is_not_bound_but_solved(function):
    assert of(function).bind((1,), {}) == {"a": 1}
    assert list(of(function).unsolved((1,), {})) == ["b"]


@with_all
@pytest.mark.parametrize(("args", "kwargs"), [((1, 2), {}), ((1,), {"b": 2})])
def test_a_dependency_that_is_given_is_bound_and_not_solved(function, args, kwargs):
    assert of(function).bind(args, kwargs) == {"a": 1, "b": 2}
    assert of(function).unsolved(args, kwargs) == {}


def test_what_a_call_lacks_is_said_though_a_dependency_stands_before_it():
    assert of(with_dependency_first).bind((), {"a": 1}) == {"a": 1}
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        of(with_dependency_first).bind((), {})


@with_all
def test_a_wrong_call_is_refused_though_a_dependency_is_left_out(function):
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        of(function).bind((1,), {"c": 2})
