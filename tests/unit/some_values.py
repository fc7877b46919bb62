"""Types of the kinds that people pass to tasks."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, computed_field
from typing_extensions import TypedDict


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(enum.StrEnum):
    SMALL = "small"


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Paint(TypedDict, total=False):
    name: str
    pigment: bytes


class Person(BaseModel):
    name: str
    age: int = 0
    tags: list[str] = Field(default_factory=list)


class Customer(Person):
    number: int = 0


class Ticket(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    title: str | None = None


class Aliased(BaseModel):
    count: int = Field(alias="Count")
    shown: int = Field(default=0, serialization_alias="Shown")

    @computed_field  # type: ignore[prop-decorator]  # as pydantic's own documentation has it
    @property
    def double(self) -> int:
        return 2 * self.count


class Lasting(BaseModel):
    value: int
    _notes: list[str] = PrivateAttr(default_factory=list)

    @cached_property
    def slow(self) -> object:
        return object()


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    value: int


def open_model(**fields: object) -> Open:
    return Open.model_validate(fields)


class Login(BaseModel):
    name: str
    password: SecretStr


class Blob(BaseModel):
    content: bytes


class Base64Blob(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    content: bytes


class Unfinished(BaseModel):
    """Its annotation names what exists nowhere, so that pydantic has no schema for it."""

    nothing: "Nowhere | None" = None  # type: ignore[name-defined]  # noqa: F821, UP037  # the point of it


@dataclass
class Order:
    item: str
    prices: list[float] = field(default_factory=list)
    note: Any = None


@dataclass
class RushOrder(Order):
    hours: int = 1


@dataclass(frozen=True, slots=True)
class Weight:
    grams: int
    doubled: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", 2 * self.grams)


@dataclass
class Remembered:
    value: int
    cache: dict[str, int] = field(default_factory=dict, init=False, compare=False, repr=False)


@dataclass
class Photo:
    content: bytes
