"""Limits and rates as they are written, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from afterwards import Afterwards
from afterwards.errors import CannotStore
from afterwards.options import CallOptions
from afterwards.quotas import Quota, Rate, limit_of, rate_of
from tests.unit import some_tasks

NONSENSE_LIMITS = [0, -1, 10**10, True, False, 2.0, "3", [1]]
NONSENSE_RATES = [
    "",
    "100",
    "100/",
    "/minute",
    "0/minute",
    "-1/second",
    "1.5/hour",
    "many/day",
    "5/fortnight",
    "5/m",
    5,
    1.0,
]


@pytest.fixture
def afterwards() -> Afterwards:
    return Afterwards(url="sqlite://")


@pytest.mark.parametrize(
    ("written", "count", "seconds"),
    [("1/second", 1, 1), ("100/minute", 100, 60), (" 5 / hour ", 5, 3600), ("1000000/day", 1_000_000, 86_400)],
)
def test_a_rate_is_read(written: str, count: int, seconds: int):
    assert rate_of(written) == Rate(count=count, period=timedelta(seconds=seconds))


@pytest.mark.parametrize("limit", NONSENSE_LIMITS, ids=repr)
def test_a_limit_that_makes_no_sense_is_refused_at_once(afterwards: Afterwards, limit: Any):
    for say in (
        lambda: limit_of(limit),
        lambda: afterwards.task(limit=limit),
        lambda: afterwards.queue("a", limit=limit),
    ):
        with pytest.raises((ValueError, TypeError), match="limit is"):
            say()


@pytest.mark.parametrize("rate", NONSENSE_RATES, ids=repr)
def test_a_rate_that_makes_no_sense_is_refused_at_once(afterwards: Afterwards, rate: Any):
    for say in (lambda: rate_of(rate), lambda: afterwards.task(rate=rate), lambda: afterwards.queue("a", rate=rate)):
        with pytest.raises((ValueError, TypeError), match="rate"):
            say()


def test_what_counts_nothing_is_refused(afterwards: Afterwards):
    with pytest.raises(ValueError, match="give limit= or rate="):
        afterwards.task(limit_by=lambda n: n)
    with pytest.raises(ValueError, match="declares nothing"):
        afterwards.queue("mail")
    with pytest.raises(ValueError, match="queue takes a name"):
        afterwards.queue("", limit=1)
    with pytest.raises(TypeError, match="takes a function"):
        afterwards.task(limit=1, limit_by="user_id")  # type: ignore[arg-type]  # as somebody may write


def test_a_queue_is_declared_once_or_twice_alike(afterwards: Afterwards):
    afterwards.queue("mail", limit=3)
    afterwards.queue("mail", limit=3)
    with pytest.raises(ValueError, match="declared twice"):
        afterwards.queue("mail", limit=4)
    assert afterwards.house.registry.quotas() == (Quota(name="queue:mail", most=3),)


def test_the_code_declares_functions_and_queues(afterwards: Afterwards):
    afterwards.task(limit=2, rate="5/second", name="greet")(some_tasks.greet)
    afterwards.task(queue="mail")(some_tasks.send)
    afterwards.queue("mail", rate="1/day")
    assert afterwards.house.registry.quotas() == (
        Quota(name="function:greet", most=2, rate=Rate(count=5, period=timedelta(seconds=1))),
        Quota(name="queue:mail", rate=Rate(count=1, period=timedelta(days=1))),
    )


def key_of(afterwards: Afterwards, limit_by: Callable[..., object], *args: object, **kwargs: object) -> str:
    afterwards.task(limit=1, limit_by=limit_by)(some_tasks.limited)
    return afterwards.house.registry.call(some_tasks.limited, args, kwargs, CallOptions()).limit_key


@pytest.mark.parametrize(
    ("limit_by", "expected"),
    [
        (lambda user_id: user_id, "7"),
        (lambda host: host, "localhost"),
        (lambda host, user_id: f"{user_id}@{host}", "7@localhost"),
        (lambda user_id, day="monday": f"{user_id} {day}", "7 monday"),
        (lambda **everything: ",".join(everything), "host,user_id"),
        (lambda: UUID(int=1), str(UUID(int=1))),
        (lambda: "", ""),
    ],
)
def test_the_key_is_made_of_the_arguments_it_asks_for(
    afterwards: Afterwards, limit_by: Callable[..., object], expected: str
):
    assert key_of(afterwards, limit_by, 7) == expected


def test_arguments_by_name_and_by_position_are_the_same_to_it(afterwards: Afterwards):
    assert key_of(afterwards, lambda host, user_id: f"{host}{user_id}", user_id=1, host="x") == "x1"
    assert key_of(afterwards, lambda host, user_id: f"{host}{user_id}", 1, "x") == "x1"


@pytest.mark.parametrize(
    "key", [None, True, 1.5, b"ab", date(2026, 1, 1), ["a"], "x" * 501], ids=lambda key: f"{key!r:.20}"
)
def test_a_key_that_is_none_is_refused_when_it_is_added(afterwards: Afterwards, key: object):
    with pytest.raises(CannotStore, match="limit_by of"):
        key_of(afterwards, lambda: key, 7)


def test_an_error_in_it_is_refused_when_it_is_added(afterwards: Afterwards):
    with pytest.raises(CannotStore, match=r"limit_by of .* failed: ZeroDivisionError"):
        key_of(afterwards, lambda user_id: user_id // 0, 7)


@pytest.mark.parametrize("limit_by", [lambda nobody: nobody, lambda user_id, /: user_id, lambda *all_of_them: ""])
def test_what_asks_for_more_than_there_is_is_refused_at_the_function(
    afterwards: Afterwards, limit_by: Callable[..., object]
):
    with pytest.raises(TypeError, match="limit_by of"):
        afterwards.task(limit=1, limit_by=limit_by)(some_tasks.limited)


def test_a_call_without_limit_by_has_no_key(afterwards: Afterwards):
    afterwards.task(limit=1)(some_tasks.limited)
    assert afterwards.house.registry.call(some_tasks.limited, (7,), {}, CallOptions()).limit_key == ""
