from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field, Json, RootModel, SerializeAsAny
from starlette.requests import Request

from afterwards.codec import Arguments, CannotRead
from afterwards.errors import CannotName, CannotStore
from afterwards.sameness import same
from tests.unit import some_tasks as tasks
from tests.unit.some_values import (
    Aliased,
    Base64Blob,
    Blob,
    Color,
    Customer,
    Lasting,
    Level,
    Open,
    Order,
    Paint,
    Person,
    Photo,
    Point,
    Remembered,
    Size,
    Ticket,
    Unfinished,
    Weight,
    open_model,
)


def annotated(annotation):
    """A function whose only parameter has this annotation."""

    def function(value): ...

    function.__annotations__ = {"value": annotation}
    return Arguments(function, "function")


def there_and_back(arguments, *args, **kwargs):
    return arguments.read(arguments.write(args, kwargs))


A_UUID = UUID("018f2a6e-0000-7000-8000-000000000000")

KEPT = [
    (str, "naïve \0 \u2028 \U0001f600"),
    (int, 10**300),
    (float, math.nan),
    (float, -math.inf),
    (float, -0.0),
    (bool, True),
    (None, None),
    (bytes, b"\xff\x00"),
    (complex, 1 + 2j),
    (Decimal, Decimal("1.10")),
    (UUID, A_UUID),
    (Path, Path("a/b")),
    (datetime, datetime(2026, 11, 24, 12, 30, 0, 1, tzinfo=UTC)),
    (datetime, datetime.max),  # noqa: DTZ901  # naive ones are values too
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))),
    (date, date.min),
    (time, time(1, 2, 3, 4)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (ZoneInfo, ZoneInfo("Asia/Shanghai")),
    (Color, Color.GREEN),
    (Size, Size.SMALL),
    (Level, Level.LOW),
    (Person, Person(name="a", age=5)),
    (Person, Person(name="a")),
    (Person | Customer, Customer(name="a")),
    (Customer | Person, Person(name="a")),
    (SerializeAsAny[Person], Person(name="a")),
    (Ticket, Ticket()),
    (list[Ticket], [Ticket(title="a"), Ticket()]),
    (Aliased, Aliased(Count=5)),
    (Base64Blob, Base64Blob(content=b"\xff")),
    (Blob, Blob(content=b"plain")),
    (RootModel[list[int]], RootModel[list[int]]([1])),
    (Open, open_model(value=1, more={"a": [1]})),
    (Order, Order("a", [1.5])),
    (Weight, Weight(5)),
    (Remembered, Remembered(1)),
    (Photo, Photo(b"\xff")),
    (list[Photo], [Photo(b"\xff")]),
    (Point, Point(1, 2.5)),
    (Paint, {"pigment": b"\xff", "name": "a"}),
    (list[Paint], [{}]),
    (tuple[int, str], (1, "a")),
    (tuple, (1, "a")),
    (set[UUID], {A_UUID}),
    (frozenset[date], frozenset({date.min})),
    (dict[int, str], {1: "a"}),
    (dict[UUID, dict[date, bytes]], {A_UUID: {date.min: b"\xff"}}),
    (dict[Color, int], {Color.RED: 1}),
    (dict[float, int], {math.nan: 1}),
    (deque[int], deque([1, 2])),
    (Sequence[UUID], [A_UUID]),
    (Mapping[str, UUID], {"a": A_UUID}),
    (Iterable[bytes], [b"\xff"]),
    (Collection[int], [1]),
    (int | str, "5"),
    (float | int, 5),
    (datetime | date, date.min),
    (UUID | str | None, None),
    (Annotated[int, Field(gt=3, alias="other")], 5),
    (Annotated[int, Field(default=3)], 5),
    (Json[list[int]], [1]),
    (Unfinished | None, None),
    (Request | None, None),
    ("NoSuchName", [1, {"a": None}]),
    (Any, {"a": [1, 2.5, None, True, {"b": "c"}]}),
    (object, "text"),
    (5, 5),
]


def _short(it: object) -> str:
    """The same in every process: what a default factory makes is left out."""
    return re.sub(r"UUID\('.*?'\)", "UUID(…)", str(it))[:40]


@pytest.mark.parametrize(("annotation", "value"), KEPT, ids=_short)
def test_what_is_written_is_read_back_the_same(annotation, value):
    [back], kwargs = there_and_back(annotated(annotation), value)
    assert same(value, back)
    assert kwargs == {}


@pytest.mark.parametrize(
    ("annotation", "value", "back"), [(float, 5, 5.0), (list[float], [1, 2.5], [1.0, 2.5]), (float | None, 5, 5.0)]
)
def test_an_int_may_be_passed_where_the_annotation_says_float(annotation, value, back):
    [read], _ = there_and_back(annotated(annotation), value)
    assert repr(read) == repr(back)


def test_the_arguments_are_stored_by_name_as_json():
    text = Arguments(tasks.send, "send").write(("a@example.org",), {"copies": 2})
    assert json.loads(text) == {"to": "a@example.org", "copies": 2}


def test_a_call_without_arguments_is_an_empty_object():
    arguments = Arguments(tasks.make_closure, "make_closure")
    assert arguments.write((), {}) == "{}"
    assert arguments.read("{}") == ((), {})


def test_the_same_call_gives_the_same_text_however_it_passes_its_arguments():
    arguments = Arguments(tasks.send, "send")
    texts = {
        arguments.write(("a", "b"), {"copies": 2}),
        arguments.write((), {"copies": 2, "text": "b", "to": "a"}),
        arguments.write(("a",), {"copies": 2, "text": "b"}),
    }
    assert len(texts) == 1


def test_what_changes_later_does_not_reach_what_was_written():
    arguments = annotated(list[int])
    numbers = [1]
    text = arguments.write((numbers,), {})
    numbers.append(2)
    assert arguments.read(text) == (([1],), {})


def test_names_that_mean_something_to_pydantic_are_only_names_here():
    def function(self, model_config, model_fields, schema, _hidden, __dunder__, größe, *args, **kwargs): ...

    given = (1, 2, 3, 4, 5, 6, 7, 8), {"json": 9, "validate": 10}
    assert there_and_back(Arguments(function, "function"), *given[0], **given[1]) == given


def test_every_kind_of_parameter_is_kept_by_its_annotation():
    def function(a: UUID, /, b: date, *rest: bytes, c: Decimal, **named: timedelta): ...

    function.__annotations__ = {"a": UUID, "b": date, "rest": bytes, "c": Decimal, "named": timedelta}
    args, kwargs = (A_UUID, date.min, b"\xff", b""), {"c": Decimal(1), "more": timedelta(1)}
    assert there_and_back(Arguments(function, "function"), *args, **kwargs) == (args, kwargs)


def test_fields_that_were_not_set_are_not_set_in_what_comes_back():
    [back], _ = there_and_back(annotated(Person), Person(name="a"))
    assert isinstance(back, Person)
    assert back.model_dump(exclude_unset=True) == {"name": "a"}


def test_what_a_default_factory_made_is_kept():
    ticket = Ticket()
    assert there_and_back(annotated(Ticket), ticket) == ((ticket,), {})


def test_a_wrong_call_is_a_type_error_at_once():
    with pytest.raises(TypeError, match=r"send\(\) missing a required argument: 'to'"):
        Arguments(tasks.send, "send").write((), {})


def test_a_decorator_that_passes_everything_on_keeps_the_annotations_of_what_it_wraps():
    arguments = Arguments(tasks.send_logged, "send_logged")
    assert arguments.write(("a",), {}) == '{"to":"a"}'
    with pytest.raises(CannotStore, match=r"argument to .* of type int"):
        arguments.write((5,), {})


def test_a_decorator_may_complete_the_call():
    arguments = Arguments(tasks.send_with_session, "send_with_session")
    args, kwargs = there_and_back(arguments, "a")
    assert tasks.send_with_session(*args, **kwargs) == "a session, a"


def test_a_call_that_neither_signature_takes_is_a_type_error():
    def around(value): ...

    around.__wrapped__ = tasks.send  # type: ignore[attr-defined]  # as functools.wraps does
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        Arguments(around, "around").write((), {"wrong": 1})


def test_a_function_without_a_readable_signature_cannot_be_stored():
    class Unreadable:
        __signature__ = "none"

        def __call__(self): ...

    with pytest.raises(CannotName, match="does not say what its parameters are"):
        Arguments(Unreadable(), "unreadable").write((), {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"to":5}', "to: Input should be a valid string"),
        ('{"to":"a","gone":1}', "gone: Extra inputs are not permitted"),
        ('{"copies":1}', "requires what was not stored: to"),
        ("[]", "should be an object"),
        ("{", "Invalid JSON"),
        ("", "Invalid JSON"),
    ],
)
def test_stored_arguments_that_no_longer_fit_say_in_what(text, words):
    with pytest.raises(CannotRead, match=words):
        Arguments(tasks.send, "send").read(text)


def test_arguments_that_fit_neither_signature_of_a_wrapped_function_cannot_be_read():
    with pytest.raises(CannotRead):
        Arguments(tasks.send_logged, "send_logged").read('{"gone":1}')


def test_arguments_of_an_older_version_take_the_defaults_of_the_newer():
    assert Arguments(tasks.send, "send").read('{"to":"a"}') == (("a",), {})


def test_one_object_serves_many_threads():
    arguments = Arguments(tasks.greet, "greet")
    people = [tasks.Person(name=str(number), age=number) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda person: arguments.write((person,), {}), people))
    assert [arguments.read(text)[0][0] for text in texts] == people


def test_a_model_that_lasts_is_kept_as_long_as_nothing_private_is_lost():
    lasting = Lasting(value=1)
    assert lasting.slow is lasting.slow
    assert there_and_back(annotated(Lasting), lasting) == ((Lasting(value=1),), {})
