from __future__ import annotations

import io
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.websockets import WebSocket

from afterwards.codec import Arguments
from afterwards.errors import CannotStore
from tests.unit.some_values import (
    Blob,
    Customer,
    Lasting,
    Login,
    Open,
    Order,
    Person,
    Point,
    Size,
    Unfinished,
    open_model,
)


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True)


class DataclassRow(MappedAsDataclass, Base):
    __tablename__ = "dataclass_row"
    id: Mapped[int] = mapped_column(primary_key=True)


def refusal_of(annotation: Any, value: object) -> str:
    def send(person): ...

    send.__annotations__ = {"person": annotation}
    with pytest.raises(CannotStore) as refused:
        Arguments(send, "app.tasks:send").write((value,), {})
    return str(refused.value)


a_notebook = Lasting(value=1)
a_notebook._notes.append("a note")  # noqa: SLF001  # as the model's own methods do
a_circle: list[object] = []
a_circle.append(a_circle)

DAY = date(2026, 1, 1)


def nested(depth: int) -> list[object]:
    inside: list[object] = []
    for _ in range(depth):
        inside = [inside]
    return inside


CHANGED = [
    (str, 5, "of type int", "not be read back as str", "Pass what the annotation says"),
    (str, Size.SMALL, "would come back as str", "Pass str, or annotate the parameter with", "Size"),
    (int, True, "it is of type bool", "come back as int", "annotate the parameter with bool"),
    (int, 5.0, "it is of type float", "come back as int", "Pass int"),
    (float, True, "it is of type bool", "come back as float", "Pass float"),
    (float, 2**53 + 1, "it is of type int", "come back as float", "Pass float"),
    (Decimal, 1, "it is of type int", "come back as decimal.Decimal", "annotate the parameter with int"),
    (Decimal, Decimal("NaN"), "finite number", "decimal.Decimal", "Pass what"),
    (date, datetime(2026, 1, 1), "datetime.datetime", "come back as datetime.date", "Annotate"),  # noqa: DTZ001
    (Person, Customer(name="a"), "without what the subclass adds", "Customer", "Annotate the parameter with"),
    (Person, {"name": "a"}, "it is of type dict", "Person", "Pass tests.unit.some_values.Person"),
    (Person, Person.model_construct(name=5), "person['name']", "valid string", "Pass what"),
    (Lasting, a_notebook, "person._notes", "come back changed, as []", "pass an id"),
    (Open, open_model(value=1, more=(1,)), "person.more", "come back as list", "Pass list"),
    (Blob, Blob(content=b"\xff"), "could not be written", "invalid utf-8", "ser_json_bytes"),
    (Order, Order("a", note={"b": {1}}), "person.note['b']", "it is of type set", "come back as list"),
    (Sequence[int], (1,), "it is of type tuple", "come back as list", "annotate the parameter with tuple"),
    (tuple, Point(1), "come back as tuple", "Pass tuple", "Point"),
    (UUID | str, str(UUID(int=1)), "it is of type str", "come back as uuid.UUID", "annotate the parameter with str"),
    (Any, UUID(int=1), "come back as str", "Annotate the parameter", "uuid.UUID"),
    (Any, (1,), "come back as list", "plain values", "tuple"),
    (Any, {1: 2}, "come back changed, as {'1': 2}", "Annotate", "plain values"),
    (Any, b"\xff", "come back as str", "Annotate", "bytes"),
    (Any, Person(name="a"), "come back as dict", "Annotate", "Person"),
    (Any, object(), "could not be written", "Annotate", "plain values"),
    (Any, a_circle, "person", "it holds itself", "Pass an id"),
    (list, nested(200), "person", "nested too deep", "pass an id or a path"),
    (Any, nested(1000), "person", "nested too deep", "pass an id or a path"),
    (dict[str, Any], {"a": DAY}, "person['a']", "come back as str", "a type that says datetime.date for this part"),
    (Any, [DAY], "person[0]", "come back as str", "a type that says datetime.date for this part"),
    (list[Person], [Customer(name="a")], "person[0]", "subclass adds", "Customer for this part"),
    (Collection[UUID], [UUID(int=1)], "person[0]", "come back as str", "Annotate"),
    ("NoSuchName", {UUID(int=1)}, "it is of type set", "come back as list", "Annotate"),
    (Unfinished, Unfinished.model_construct(), "could not be written", "Annotate", "plain values"),
    (int, 10**5000, "person", "more than 4,300 digits", "Pass it as a str, hex(number)"),
    (Any, {"a": [10**5000]}, "person['a'][0]", "more than 4,300 digits", "Pass it as a str, hex(number)"),
]


@pytest.mark.parametrize(
    ("annotation", "value", "where", "what", "way_out"), CHANGED, ids=lambda it: it.__class__.__name__
)
def test_what_would_change_is_refused_with_where_what_and_the_way_out(annotation, value, where, what, way_out):
    text = refusal_of(annotation, value)
    assert text.startswith("app.tasks:send: the argument person")
    assert where in text
    assert what in text
    assert way_out in text


def a_request() -> Request:
    return Request({"type": "http", "headers": []})


async def a_coroutine_function() -> None: ...


async def receive() -> dict[str, str]:
    return {}


def a_socket() -> WebSocket:
    return WebSocket({"type": "websocket", "headers": []}, receive, receive)  # type: ignore[arg-type]  # never used


KNOWN = [
    (Any, a_request(), "Pass the values of it"),
    (Request, a_request(), "Pass the values of it"),
    (WebSocket, a_socket(), "Pass the values of it"),
    (UploadFile, UploadFile(io.BytesIO(b"x")), "Save it and pass the path"),
    (Any, io.StringIO(), "Pass its path"),
    (Any, tempfile.SpooledTemporaryFile(), "Pass its path"),  # noqa: SIM115  # never opened on a disk
    (Session, Session(), "Open one inside the task"),
    (AsyncSession, AsyncSession(), "Open one inside the task"),
    (Any, create_engine("sqlite://"), "Open one inside the task"),
    (sqlite3.Connection, sqlite3.connect(":memory:"), "Open one inside the task"),
    (Row, Row(id=1), "Pass its id, and load it in the task"),
    (Any, Row(id=1), "Pass its id, and load it in the task"),
    (DataclassRow, DataclassRow(id=1), "Pass its id, and load it in the task"),
    (Any, lambda: None, "Add it as a task of its own"),
    (Any, len, "Add it as a task of its own"),
    (Any, Path("a").exists, "Add it as a task of its own"),
    (SecretStr, SecretStr("hush"), "a secret would be stored as stars"),
    (Iterator[int], iter([1]), "Pass a list"),
    (Any, (number for number in [1]), "Pass a list"),
    (str, "a\udcffb", "half a character"),
    (Any, "\ud800", "half a character"),
    (Path, Path("a\udcff"), "half a character"),
    (dict[str, Any], {"a": Path("a\udcff")}, "half a character"),
    (Any, {"\udcff": 1}, "half a character"),
]


@pytest.mark.parametrize(("annotation", "value", "way_out"), KNOWN, ids=lambda it: it.__class__.__name__)
def test_what_cannot_outlive_its_request_is_refused_with_what_to_do_instead(annotation, value, way_out):
    assert way_out in refusal_of(annotation, value)


def test_a_coroutine_that_was_not_awaited_is_refused_so():
    coroutine = a_coroutine_function()
    assert "Await it" in refusal_of(Any, coroutine)
    coroutine.close()


def test_an_async_iterator_is_refused_so():
    async def numbers() -> AsyncIterator[int]:
        yield 1

    assert "Pass a list" in refusal_of(Any, numbers())


@pytest.mark.parametrize(
    ("annotation", "value", "place"),
    [
        (list[UploadFile], [UploadFile(io.BytesIO(b"x"))], "person[0]"),
        (dict[str, Any], {"a": [Row(id=1)]}, "person['a'][0]"),
        (Login, Login(name="a", password=SecretStr("hush")), "person.password"),
        (Order, Order("a", note=a_request()), "person.note"),
        (Any, {"\udcff": 1}, "person"),
    ],
)
def test_the_place_inside_of_the_argument_is_said(annotation, value, place):
    assert f"the argument {place} cannot be stored" in refusal_of(annotation, value)


def test_a_secret_is_not_told():
    assert "hush" not in refusal_of(Login, Login(name="a", password=SecretStr("hush")))


def test_the_argument_at_fault_is_named_among_others():
    def send(to: str, *names: int, **more: str): ...

    send.__annotations__ = {"to": str, "names": int, "more": str}
    arguments = Arguments(send, "send")
    with pytest.raises(CannotStore, match=r"the argument names\[1\] cannot"):
        arguments.write(("a", 1, True), {})
    with pytest.raises(CannotStore, match=r"the argument more\['b'\] cannot"):
        arguments.write(("a",), {"a": "c", "b": 5})
