"""Whatever makes no sense is refused in words where it is said: on a function, at a call, of a schedule."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from afterwards import Afterwards, Again, CannotName, Retry, checks
from tests.unit.some_tasks import send

ON_A_FUNCTION: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name takes a name"),
    ({"name": "send@2"}, "name ends in a version, which version= writes"),
    ({"aliases": "old:send"}, "aliases takes a tuple of older names"),
    ({"aliases": 5}, "aliases takes a tuple of older names"),
    ({"aliases": ("",)}, "aliases takes a name"),
    ({"aliases": (5,)}, "aliases takes a name"),
    ({"aliases": ("old:send@2",)}, "aliases ends in a version"),
    ({"version": 0}, "version is a whole number from 1 to 1000"),
    ({"version": "2"}, "version is a whole number"),
    ({"version": True}, "version is a whole number"),
    ({"version": 1001}, "version is a whole number from 1 to 1000"),
    ({"queue": " "}, "queue takes a name"),
    ({"priority": 10}, "priority is a whole number from 0 to 9"),
    ({"retry": 3}, r"retry takes a Retry, such as Retry\(attempts=3\)"),
    ({"timeout": 0}, "timeout cannot be zero"),
    ({"timeout": -1}, "timeout cannot be negative"),
    ({"timeout": "30"}, "timeout takes seconds or a timedelta"),
    ({"isolate": 1}, "isolate is True or False"),
    ({"isolate": None}, "isolate is True or False"),
    ({"max_memory": "512MB"}, "max_memory needs isolate=True"),
    ({"isolate": True, "max_memory": "512"}, "'512' is no size"),
    ({"isolate": True, "max_memory": "0MB"}, "'0MB' is no size"),
    ({"isolate": True, "max_memory": 0}, "max_memory is a text such as '512MB', or a number of bytes"),
    ({"isolate": True, "max_memory": True}, "max_memory is a text such as '512MB'"),
    ({"isolate": True, "max_memory": 0.5}, "max_memory is a text such as '512MB'"),
]

AT_A_CALL: list[tuple[dict[str, Any], str]] = [
    ({"delay": -1}, "delay cannot be negative"),
    ({"delay": None}, "delay takes seconds or a timedelta"),
    ({"delay": "60"}, "delay takes seconds or a timedelta"),
    ({"delay": math.nan}, "delay takes a finite number"),
    ({"delay": timedelta(days=40_000)}, "delay cannot be longer than a hundred years"),
    ({"due": 60}, "for seconds from now there is delay"),
    ({"due": datetime(2027, 1, 1)}, "due needs a time zone"),  # noqa: DTZ001  # the point of it
    ({"deadline": 0}, "deadline cannot be zero"),
    ({"deadline": -5}, "deadline cannot be negative"),
    ({"deadline": 5, "delay": 10}, "so that it could never start"),
    ({"queue": 5}, "queue takes a name"),
    ({"priority": "high"}, "priority is a whole number"),
    ({"retry": "never"}, "retry takes a Retry"),
    ({"timeout": math.inf}, "timeout takes a finite number"),
    ({"timeout": None}, "timeout takes seconds or a timedelta"),
    ({"ordered": 1}, "ordered is True or False"),
    ({"transaction": object()}, "transaction"),
    ({"delai": 5}, r"using\(\) does not know delai: it takes delay"),
    ({"isolate": True}, r"using\(\) does not know isolate"),
]

OF_A_SCHEDULE: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    (("* * * * * *",), {}, "five fields"),
    (("61 * * * *",), {}, "61"),
    (("",), {}, "cron"),
    (("0 3 * * *",), {"tz": "Europe/Berlinn"}, "Berlinn"),
    ((), {}, "every"),
    ((timedelta(0),), {}, "more often than once a second"),
    ((timedelta(-1),), {}, "more often than once a second"),
    ((), {"minutes": "5"}, r"every\(\) takes numbers of minutes"),
    (("0 3 * * *",), {"catch_up": "yes"}, "catch_up is True or False"),
    (("0 3 * * *",), {"priority": 12}, "priority"),
    (("0 3 * * *",), {"queue": ""}, "queue"),
    (("0 3 * * *",), {"retry": 5}, "retry takes a Retry"),
]

A_YEAR, THE_NEXT = (datetime(year, 1, 1, tzinfo=UTC) for year in (2027, 2028))

IN_A_SEARCH: list[tuple[dict[str, Any], str]] = [
    ({"state": "asleep"}, "state is one of waiting, running, done, failed, cancelled, not 'asleep'"),
    ({"state": 3}, "state is one of"),
    ({"queue": ""}, "queue takes a name"),
    ({"queue": 5}, "queue takes a name"),
    ({"function": " "}, "function takes a name"),
    ({"function": 5}, "function takes a name"),
    ({"function": "main:\udc80"}, "lone surrogate"),
    ({"function": lambda: None}, "lambda"),
    ({"error": ""}, "error takes a name"),
    ({"error": ValueError("no")}, "error takes a class of errors or its name"),
    ({"error": int}, "error takes a class of errors or its name"),
    ({"key": "k" * 256}, "key has at most 255 characters"),
    ({"added_after": datetime(2027, 1, 1)}, "added_after needs a time zone"),  # noqa: DTZ001  # the point of it
    ({"added_before": datetime(2027, 1, 1)}, "added_before needs a time zone"),  # noqa: DTZ001  # as above
    ({"added_after": "2h"}, "added_after takes a datetime, not '2h'"),
    ({"added_before": 3600}, "added_before takes a datetime, not 3600"),
    ({"added_after": THE_NEXT, "added_before": A_YEAR}, "added_after is the earlier of the two"),
    ({"added_after": A_YEAR, "added_before": A_YEAR}, "nothing was added between"),
]

IN_AN_ORDER: list[tuple[str, dict[str, Any], str]] = [
    ("retry_all", {"state": "waiting"}, "retry changes tasks that are done or failed or cancelled, not waiting ones"),
    ("delete_all", {"state": "running"}, "delete changes tasks that are done or failed or cancelled, not running ones"),
    ("cancel_all", {"state": "done"}, "cancel changes tasks that are waiting or running, not done ones"),
    ("cancel_all", {"ids": "seven"}, "a list of ids is needed"),
    ("delete_all", {"ids": ["seven"]}, "the id of a task is a UUID"),
    ("delete_all", {"queue": None}, "queue=None would narrow nothing"),
    ("retry_all", {"name": "main:send"}, "tasks are sought by ids, state, queue, function, .*, not by name"),
]

OF_ALL: list[tuple[dict[str, Any], str]] = [
    ({"processes": 0}, "processes is a whole number of at least 1"),
    ({"processes": 2.0}, "processes is a whole number"),
    ({"tasks_per_process": 0}, "tasks_per_process is a whole number of at least 1"),
    ({"concurrency": 0}, "concurrency is a whole number"),
    ({"retry": 3}, "retry takes a Retry"),
    ({"lease": 0}, "lease cannot be zero"),
    ({"grace": -1}, "grace cannot be negative"),
]


@pytest.fixture(scope="module")
def afterwards() -> Afterwards:
    return Afterwards(url="sqlite://")


@pytest.mark.parametrize(("said", "words"), ON_A_FUNCTION)
def test_on_a_function(afterwards: Afterwards, said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        afterwards.task(**said)


def test_what_the_system_cannot_do_is_refused(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "can_see_others", lambda: False)
    with pytest.raises(ValueError, match="max_memory needs /proc"):
        afterwards.task(isolate=True, max_memory="512MB")
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ValueError, match="Windows does not have"):
        afterwards.task(isolate=True)


def test_what_another_process_could_not_import_is_not_isolated(afterwards: Afterwards) -> None:
    def inner() -> None: ...

    with pytest.raises(CannotName, match="defined inside a function"):
        afterwards.task(isolate=True, name="inner")(inner)


@pytest.mark.parametrize(("said", "words"), AT_A_CALL)
def test_at_a_call(afterwards: Afterwards, said: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        afterwards.using(**said)


@pytest.mark.parametrize(("line", "said", "words"), OF_A_SCHEDULE)
def test_of_a_schedule(afterwards: Afterwards, line: tuple[Any, ...], said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        afterwards.every(*line, **said)(send)


@pytest.mark.parametrize("verb", ["find", "retry_all", "cancel_all", "delete_all"])
@pytest.mark.parametrize(("said", "words"), IN_A_SEARCH)
async def test_in_a_search(afterwards: Afterwards, verb: str, said: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, CannotName), match=words):
        await getattr(afterwards, verb)(**said)


@pytest.mark.parametrize(("verb", "said", "words"), IN_AN_ORDER)
async def test_in_an_order(afterwards: Afterwards, verb: str, said: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        await getattr(afterwards, verb)(**said)


@pytest.mark.parametrize(("said", "words"), OF_ALL)
def test_of_all(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Afterwards(url="sqlite://", **said)


@pytest.mark.parametrize("after", [-1, "30", None, math.nan])
def test_of_again_and_of_a_policy(after: Any) -> None:
    with pytest.raises(ValueError, match="after"):
        Again(after=after)
    with pytest.raises(ValueError, match="first"):
        Retry(first=after)
