"""Whether what came back from the store is what was given: equal and of the same type, all the way down.

Two leniencies. NaN equals NaN. And an int comes back as an equal float where the annotation says float, at any depth:
to typing an int is a float, so `prices: list[float]` takes `[1, 2.5]`.
"""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import eq
from typing import Any
from uuid import UUID

_Comparison = Callable[[Any, Any], bool]


def same(given: object, back: object) -> bool:
    """Whether `back` is equal to `given` and of the same type, in every part of it."""
    kind = type(given)
    if kind is not type(back):
        return kind is int and type(back) is float and given == back
    return (_COMPARISONS.get(kind) or _comparison(kind))(given, back)  # type: ignore[arg-type]  # a class can be hashed


def is_model(kind: type) -> bool:
    """Whether this is a class of pydantic models."""
    return hasattr(kind, "__pydantic_root_model__")


def is_row(kind: type) -> bool:
    """Whether objects of this class are rows of a database: SQLAlchemy's, and SQLModel's with `table=True`."""
    return hasattr(kind, "__mapper__")


@lru_cache(maxsize=1024)
def _comparison(kind: type) -> _Comparison:
    """By what the class is. Objects of other libraries say themselves when they are equal."""
    if is_row(kind):
        return _never
    if is_model(kind):
        return _same_model
    if dataclasses.is_dataclass(kind):
        return _same_dataclass
    for base, comparison in _BY_BASE.items():
        if issubclass(kind, base):
            return comparison
    return _equal


def _never(given: object, back: object) -> bool:
    return False


def _equal(given: object, back: object) -> bool:
    """What is equal by its own words; an object whose answer is no yes or no, or an error, is not."""
    try:
        return bool(given == back)
    except Exception:  # whatever a foreign __eq__ raises
        return False


def _same_float(given: float, back: float) -> bool:
    return given == back or (math.isnan(given) and math.isnan(back))


def _same_decimal(given: Decimal, back: Decimal) -> bool:
    """Also in their digits: 1.10 is not 1.1."""
    return given.as_tuple() == back.as_tuple()


def _same_datetime(given: Any, back: Any) -> bool:
    """The same reading of clock and calendar, the same distance from UTC.

    Not `==`: between two zones Python calls the repeated hour of autumn never equal. A zone's name does not come back.
    """
    if given.tzinfo is None or back.tzinfo is None:
        return bool(given == back and given.fold == back.fold)
    return bool(given.replace(tzinfo=None) == back.replace(tzinfo=None) and given.utcoffset() == back.utcoffset())


def _same_sequence(given: Any, back: Any) -> bool:
    return len(given) == len(back) and all(map(same, given, back))


def _same_set(given: Set[Any], back: Set[Any]) -> bool:
    """Each member has its own twin; NaN is found only by looking at all."""
    if len(given) != len(back):
        return False
    twins = {member: member for member in back}
    return all(
        same(member, twins[member]) if member in twins else any(same(member, other) for other in back)
        for member in given
    )


def _same_mapping(given: Mapping[Any, Any], back: Mapping[Any, Any]) -> bool:
    if len(given) != len(back):
        return False
    if all(map(same, given, back)):
        return all(map(same, given.values(), back.values()))
    names = set(map(type, given)) | set(map(type, back))  # a TypedDict comes back in the order of its class
    return names == {str} and given.keys() == back.keys() and all(same(given[key], back[key]) for key in given)


def _same_defaultdict(given: defaultdict[Any, Any], back: defaultdict[Any, Any]) -> bool:
    return given.default_factory == back.default_factory and _same_mapping(given, back)


def _same_deque(given: deque[Any], back: deque[Any]) -> bool:
    return given.maxlen == back.maxlen and _same_sequence(given, back)


def _same_model(given: Any, back: Any) -> bool:
    """Fields, extra fields and private attributes, but not what a cached property left behind."""
    mine, its = given.__dict__, back.__dict__
    fields: dict[str, object] = given.__pydantic_fields__
    return (
        all(name in its and same(mine[name], its[name]) for name in fields if name in mine)
        and same(given.__pydantic_extra__ or {}, back.__pydantic_extra__ or {})
        and same(given.__pydantic_private__ or {}, back.__pydantic_private__ or {})
    )


def _same_dataclass(given: Any, back: Any) -> bool:
    """All fields, but those that its author keeps out of both making and comparing it: caches."""
    missing = object()
    return all(
        same(getattr(given, field.name, missing), getattr(back, field.name, missing))
        for field in dataclasses.fields(given)
        if field.init or field.compare
    )


_COMPARISONS: dict[type, _Comparison] = {
    **dict.fromkeys((str, int, bool, bytes, type(None), UUID, date, timedelta), eq),
    float: _same_float,
    Decimal: _same_decimal,
    datetime: _same_datetime,
    time: _same_datetime,
    list: _same_sequence,
    tuple: _same_sequence,
    dict: _same_mapping,
    set: _same_set,
    frozenset: _same_set,
    defaultdict: _same_defaultdict,
    OrderedDict: _same_mapping,
    deque: _same_deque,
}
_BY_BASE: dict[type, _Comparison] = {
    tuple: _same_sequence,
    list: _same_sequence,
    Mapping: _same_mapping,
    Set: _same_set,
    datetime: _same_datetime,
    Decimal: _same_decimal,
}
