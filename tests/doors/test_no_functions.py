"""What is no function, or would never run, is refused in the handler, also where what has no name runs locally."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from afterwards import CannotName
from tests.doors import imported
from tests.doors.diary import note
from tests.doors.ways import Way


async def send(text: str) -> None: ...


def piecemeal() -> Iterator[int]:
    yield 1


def answer(way: Way, wrong: Any) -> Any:
    """What the handler saw when it added what `wrong` makes, before a good task."""

    @way.app.post("/")
    async def endpoint(tasks: imported.BackgroundTasks):
        with pytest.raises(TypeError) as refused:
            tasks.add_task(wrong())
        tasks.add_task(note, "good")
        return {"says": str(refused.value)}

    with way.client() as client:
        return client.post("/").json()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: send("x"), "write add_task(send, ...)"),
        (lambda: None, "not None"),
        (lambda: "send", "not 'send' of type str"),
    ],
)
def test_what_is_no_function_is_a_type_error_and_the_others_are_kept(way: Way, wrong: Any, says: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # never awaited
        said = answer(way, wrong)
    assert says in said["says"]
    assert way.stored() == ["good"]


async def test_a_generator_function_has_no_name_though_a_decorator_gives_it_one(way: Way):
    way.afterwards.task(name="piecemeal")(piecemeal)
    with pytest.raises(CannotName, match="yield"):
        await way.afterwards.add(piecemeal)
