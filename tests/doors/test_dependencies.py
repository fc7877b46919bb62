"""Dependencies of tasks: solved as FastAPI solves them in a request, in the worker."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from afterwards import SOLVED, Again, CannotSolve, CannotStore, Retry, State, Stop, Task, current_task
from afterwards.testing import inline, recorded
from tests.doors import shapes
from tests.doors.diary import diary
from tests.doors.shapes import Shape, opened, plain
from tests.doors.ways import Means, Way


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(Means.CHANGED, tmp_path / "tasks.db", retry=Retry.never)


def added(way: Way, client: TestClient, function: Callable[..., Any], *args: object, **kwargs: object) -> Task:
    """The task once it has ended, added outside of a request."""
    assert client.portal is not None
    handle = client.portal.call(partial(way.afterwards.add, function, *args, **kwargs))
    return client.portal.call(partial(way.afterwards.wait, handle.id, timeout=15))


def ended(way: Way, function: Callable[..., Any], *args: object, **kwargs: object) -> Task:
    with way.client() as client:
        return added(way, client, function, *args, **kwargs)


def as_endpoint(function: Shape, overrides: dict[Any, Any] | None = None) -> list[str]:
    """What FastAPI writes for the same function in a request."""
    app = FastAPI()
    app.dependency_overrides = overrides or {}
    app.get("/")(function)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.get("/")
    lines = diary.lines
    diary.clear()
    return lines


@pytest.mark.parametrize("shape", shapes.ENDS_WELL, ids=lambda it: it.__name__)
def test_all_is_called_as_in_a_request(way: Way, shape: Shape):
    expected = as_endpoint(shape)
    assert ended(way, shape).state is State.DONE
    assert diary.lines == expected
    assert expected, "it has written something"


@pytest.mark.parametrize(("shape", "error"), shapes.ENDS_BADLY.items(), ids=lambda it: getattr(it, "__name__", ""))
def test_an_error_is_seen_as_in_a_request(way: Way, shape: Shape, error: str):
    expected = as_endpoint(shape)
    task = ended(way, shape)
    assert diary.lines == expected
    assert task.state is State.FAILED
    assert task.error is not None
    assert task.error.kind.rpartition(".")[2] == error


@pytest.mark.parametrize("shape", [*shapes.ENDS_WELL, *shapes.ENDS_BADLY], ids=lambda it: it.__name__)
def test_inline_tasks_have_the_same(way: Way, shape: Shape):
    expected = as_endpoint(shape)
    with inline(way.afterwards):
        raised: str | None = None
        try:
            way.afterwards.add_sync(shape)
        except Exception as error:
            raised = type(error).__name__
    assert raised == shapes.ENDS_BADLY.get(shape)
    assert diary.lines == expected
    assert not way.path.exists()


def test_an_error_that_was_swallowed_is_kept_with_a_word_about_it(way: Way):
    task = ended(way, shapes.raises_into_one_that_swallows)
    assert task.error is not None
    assert task.error.message == "lost?"
    assert "caught this error and did not raise it again" in task.error.traceback


# Overrides


def other() -> str:
    diary.write("other")
    return "other"


async def other_opened(first: Annotated[str, Depends(plain)]) -> AsyncIterator[str]:
    diary.write(f"other opened with {first}")
    yield "other opened"
    diary.write("other is closed")


async def other_counted() -> object:
    diary.write("other counted")
    return object()


@pytest.mark.parametrize(
    ("shape", "overrides"),
    [
        (shapes.both_annotated, {plain: other}),
        (shapes.yields, {opened: other_opened}),
        (shapes.yields, {opened: other_opened, plain: other}),
        (shapes.yields_in_a_thread, {shapes.opened_async: other}),
        (shapes.shared, {shapes.counted: other_counted}),
        (shapes.not_shared, {shapes.counted: other_counted}),
        (shapes.both_scopes, {shapes.of_function: other_opened, opened: plain}),
        (shapes.classes, {shapes.Settings: other}),
        (shapes.both_annotated, {plain: lambda: "a lambda"}),
    ],
)
def test_overrides_of_the_app_hold_as_in_a_request(way: Way, shape: Shape, overrides: dict[Any, Any]):
    expected = as_endpoint(shape, overrides)
    with way.client() as client:
        way.app.dependency_overrides.update(overrides)
        assert added(way, client, shape).state is State.DONE
        assert diary.lines == expected
        diary.clear()
        way.app.dependency_overrides.clear()
        assert added(way, client, shape).state is State.DONE
    assert diary.lines not in ([], expected)


def test_of_several_apps_the_first_one_overrides(way: Way):
    first, second = way.app, FastAPI()
    way.afterwards.install(second)
    first.dependency_overrides[plain] = lambda: "of the first"
    second.dependency_overrides = {plain: lambda: "of the second", shapes.coroutine: lambda: "of the second"}
    assert ended(way, shapes.both_annotated).state is State.DONE
    assert diary.lines == ["task has of the first, of the second"]


def test_inline_tasks_have_the_overrides_too(way: Way):
    shape: Shape = shapes.yields_in_a_thread
    way.app.dependency_overrides[shapes.opened_async] = lambda: "a fake"
    with inline(way.afterwards):
        way.afterwards.add_sync(shape)
    assert diary.lines[-1] == "task has a fake in a thread"


# Around the call


class Unstorable:
    """What no store can keep."""


def get_unstorable() -> Unstorable:
    return Unstorable()


async def with_arguments(
    number: int,
    word: Annotated[str, Depends(plain)] = SOLVED,
    *,
    times: int = 2,
    it: Unstorable = Depends(get_unstorable),
) -> None:
    diary.write(f"{number} {word} {times} {type(it).__name__}")


def test_arguments_that_are_given_stand_beside_what_is_solved(way: Way):
    assert ended(way, with_arguments, 1, times=3).state is State.DONE
    assert diary.lines == ["plain in a thread", "1 plain 3 Unstorable"]


@pytest.mark.parametrize(("args", "kwargs"), [((1, "given"), {}), ((1,), {"word": "given"})])
def test_a_dependency_that_is_given_is_stored_and_not_solved(way: Way, args: tuple[Any, ...], kwargs: dict[str, Any]):
    task = ended(way, with_arguments, *args, **kwargs)
    assert task.arguments == '{"number":1,"word":"given"}'
    assert diary.lines == ["1 given 2 Unstorable"]


def test_a_dependency_that_is_given_and_cannot_be_stored_is_refused_with_the_way_out(way: Way):
    with pytest.raises(CannotStore, match=r"it cannot be stored.*Or leave it out: a dependency is solved where"):
        way.afterwards.add_sync(with_arguments, 1, it=Unstorable())


def test_a_partial_gives_arguments_too(way: Way):
    ended(way, partial(with_arguments, 1, word="given"))
    assert diary.lines == ["1 given 2 Unstorable"]


def test_what_was_recorded_is_found_without_what_is_solved(way: Way):
    with recorded(way.afterwards) as tasks:
        way.afterwards.add_sync(with_arguments, 1)
    assert tasks.added(with_arguments, 1)
    assert not tasks.added(with_arguments, 2)
    assert diary.lines == []


async def knows_its_task() -> str:
    return f"{current_task().name.rpartition(':')[2]} attempt {current_task().attempt}"


def knows_its_task_in_a_thread() -> Iterator[str]:
    yield f"{current_task().attempt}"
    diary.write(f"closed in attempt {current_task().attempt}")


async def asks_who_it_is(
    name: Annotated[str, Depends(knows_its_task)], number: Annotated[str, Depends(knows_its_task_in_a_thread)]
) -> None:
    diary.write(f"{name} {number}")


def test_a_dependency_knows_in_which_task_it_is(way: Way):
    ended(way, asks_who_it_is)
    assert diary.lines == ["asks_who_it_is attempt 1 1", "closed in attempt 1"]


# Retries


attempts: list[int] = []


async def opens_at_the_second_try() -> str:
    attempts.append(current_task().attempt)
    if current_task().attempt == 1:
        raise ConnectionError("not yet")
    return "open"


async def needs_patience(it: Annotated[str, Depends(opens_at_the_second_try)]) -> None:
    diary.write(it)


def test_a_dependency_that_raises_lets_the_task_be_tried_again(tmp_path: Path):
    attempts.clear()
    way = Way(Means.CHANGED, tmp_path / "tasks.db", retry=Retry(first=0.01))
    task = ended(way, needs_patience)
    assert (task.state, task.attempt, attempts) == (State.DONE, 2, [1, 2])


async def makes_it_final() -> AsyncIterator[None]:
    try:
        yield
    except OSError as error:
        raise Stop("the disk is gone") from error


async def stops(it: Annotated[None, Depends(makes_it_final)]) -> None:
    raise OSError


async def makes_it_later() -> AsyncIterator[None]:
    try:
        yield
    except OSError as error:
        diary.write("later")
        raise Again(after=0.01) from error


async def comes_again(it: Annotated[None, Depends(makes_it_later)]) -> None:
    if diary.lines.count("later") < 3:
        raise OSError


def test_a_dependency_may_make_stop_and_again_of_an_error(tmp_path: Path):
    way = Way(Means.CHANGED, tmp_path / "tasks.db", retry=Retry(first=0.01))
    with way.client() as client:
        stopped, done = added(way, client, stops), added(way, client, comes_again)
    assert (stopped.state, stopped.attempt) == (State.FAILED, 1)
    assert (done.state, done.attempt, diary.lines) == (State.DONE, 1, ["later"] * 3)


def swallows_all() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        diary.write(f"swallowed {type(error).__name__}")


async def wants_again(it: Annotated[None, Depends(swallows_all)]) -> None:
    if len(diary.lines) < 2:
        raise Again(after=0.01)


def test_again_is_heard_though_a_dependency_swallows_it(way: Way):
    task = ended(way, wants_again)
    assert (task.state, task.attempt) == (State.DONE, 1)
    assert diary.lines == ["swallowed Again"] * 2


async def stop_iteration(it: Annotated[str, Depends(opened)]) -> None:
    raise SystemExit(3)


def test_what_is_no_exception_is_seen_by_generators_and_ends_the_task_alone(way: Way):
    task = ended(way, stop_iteration)
    assert task.error is not None
    assert (task.state, task.error.kind) == (State.FAILED, "SystemExit")
    assert diary.lines == ["opened in a thread", "opened is closed in a thread"]


def gives_up() -> None:
    raise StopIteration


def never_begins(it: Annotated[None, Depends(gives_up)]) -> None: ...


def test_a_stop_iteration_of_a_dependency_ends_the_task_alone(way: Way):
    assert ended(way, never_begins).state is State.FAILED


def test_a_task_whose_override_needs_a_request_fails_in_words(way: Way):
    way.app.dependency_overrides[plain] = lambda q: q
    task = ended(way, shapes.both_annotated)
    assert task.error is not None
    assert task.error.kind.endswith("CannotSolve")
    assert "'q' takes a value from the query" in task.error.message


def get_query(q: str) -> str:
    return q


def needs_a_query(it: Annotated[str, Depends(get_query)]) -> None: ...


def test_the_function_needs_nothing_of_ours_to_be_called_as_plain_code(way: Way):
    decorated = way.afterwards.task(name="plain code")(with_arguments)
    assert decorated is with_arguments
    with pytest.raises(CannotSolve):
        way.afterwards.task(name="refused")(needs_a_query)
