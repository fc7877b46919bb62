from __future__ import annotations

import inspect
import time
from typing import Annotated, Any, TypedDict, Unpack

import pytest
from fastapi import BackgroundTasks, Depends, Query, Security
from starlette.background import BackgroundTasks as StarletteTasks
from typing_extensions import TypeAliasType

from afterwards.annotations import SOLVED, is_dependency, signatures, type_of
from afterwards.errors import CannotName
from tests.unit import some_tasks as tasks


class Named(TypedDict):
    size: int


def written(
    plain: int,
    unseen: NoSuchName,  # type: ignore[name-defined]  # noqa: F821  # the point of it
    inside: list[NoSuchName],  # type: ignore[name-defined]  # noqa: F821  # the point of it
    wrong: 1 / 0,  # type: ignore[valid-type]  # the point of it
    nothing: None,
    marked: Annotated[int, "a note"],
    bare,
    *rest: float,
    **named: str,
) -> None: ...


def with_fields(**named: Unpack[Named]) -> None: ...


def with_bare_rest(*rest, **named) -> None: ...


def types_of(function):
    [signature] = signatures(function)
    return {name: type_of(parameter, function) for name, parameter in signature.parameters.items()}


def test_each_annotation_is_resolved_by_itself():
    assert types_of(written) == {
        "plain": int,
        "unseen": Any,
        "inside": Any,
        "wrong": Any,
        "nothing": type(None),
        "marked": Annotated[int, "a note"],
        "bare": Any,
        "rest": list[float],
        "named": dict[str, str],
    }


def test_keywords_may_have_their_fields_named():
    assert types_of(with_fields) == {"named": Named}


def test_rest_without_annotations_takes_anything():
    assert types_of(with_bare_rest) == {"rest": list[Any], "named": dict[str, Any]}


def test_a_local_class_counts_as_no_annotation():
    class Local: ...

    def function(value: Local) -> None: ...

    assert types_of(function) == {"value": Any}


def test_a_name_that_only_type_checkers_see_does_not_cost_the_others():
    assert types_of(tasks.look_at) == {"unseen": Any, "count": int}


def test_annotations_are_looked_up_where_the_wrapped_function_stands():
    shown, real = signatures(tasks.send_logged)
    assert {name: type_of(it, tasks.send_logged) for name, it in shown.parameters.items()} == {"to": str}
    assert {name: type_of(it, tasks.send_logged) for name, it in real.parameters.items()} == {
        "args": list[Any],
        "kwargs": dict[str, Any],
    }


def test_a_cache_written_in_c_has_the_signature_of_what_it_wraps():
    [signature] = signatures(tasks.send_once)
    assert list(signature.parameters) == ["to"]


def test_a_function_without_a_readable_signature_is_refused_in_words():
    if _has_signature(time.sleep):
        pytest.skip("this Python says what time.sleep takes")
    with pytest.raises(CannotName, match=r"does not say what its parameters are.*Write a function"):
        signatures(time.sleep)


def _has_signature(function):
    try:
        inspect.signature(function)
    except ValueError:
        return False
    return True


def dependency() -> int:
    return 1


Aliased = TypeAliasType("Aliased", Annotated[int, Depends(dependency)])


def with_dependencies(
    a: Annotated[int, Depends(dependency)],
    b: Annotated[int, Security(dependency)],
    c: Annotated[str, Query()],
    d: int = Depends(dependency),
    e: int = 5,
    f: Aliased = 6,
    g: int = SOLVED,
    h: BackgroundTasks = None,  # type: ignore[assignment]  # as FastAPI takes it
    i: Annotated[StarletteTasks, "anything"] = None,  # type: ignore[assignment]
    j: type[BackgroundTasks] = BackgroundTasks,
) -> None: ...


def test_dependencies_are_told_from_other_markers():
    [signature] = signatures(with_dependencies)
    solved = [name for name, it in signature.parameters.items() if is_dependency(it, type_of(it, with_dependencies))]
    assert solved == ["a", "b", "d", "f", "g", "h", "i"]


def test_what_is_solved_by_the_worker_says_so_where_it_is_used_without_one():
    with pytest.raises(AttributeError, match=r"'send'.*solved when Afterwards runs the task\. Pass it"):
        SOLVED.send("a")
    assert repr(SOLVED) == "SOLVED"
