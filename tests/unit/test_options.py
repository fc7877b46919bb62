from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from afterwards.options import CallOptions, Options

A_DAY = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"delay": timedelta(seconds=-1)}, "delay cannot be negative"),
        ({"due": datetime(2026, 11, 24, 12)}, "due needs a time zone"),  # noqa: DTZ001  # the point of it
        ({"due": A_DAY.date()}, "due takes a datetime"),
        ({"due": 60}, "there is delay"),
        ({"due": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "beyond"),
        ({"due": A_DAY, "delay": timedelta(seconds=1)}, "give one of them"),
        ({"deadline": datetime(2026, 11, 24, 12)}, "deadline needs a time zone"),  # noqa: DTZ001  # the point of it
        ({"deadline": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "beyond"),
        ({"deadline": A_DAY, "due": A_DAY + timedelta(seconds=1)}, "could never start"),
        ({"deadline": timedelta(seconds=9), "delay": timedelta(seconds=9)}, "could never start"),
        ({"queue": ""}, "queue takes a name"),
        ({"queue": " "}, "queue takes a name"),
        ({"queue": 5}, "queue takes a name"),
        ({"queue": "ma\0il"}, "queue holds a NUL"),
        ({"queue": "ma\ud800il"}, "queue holds a NUL character or half of one"),
        ({"queue": "m" * 256}, "queue has at most 255 characters, not 256"),
        ({"priority": 10}, "priority is a whole number from 0 to 9"),
        ({"priority": -1}, "priority is a whole number from 0 to 9"),
        ({"priority": True}, "priority is a whole number"),
        ({"priority": 5.0}, "priority is a whole number"),
        ({"ordered": "no"}, "ordered is True or False"),
    ],
)
def test_what_makes_no_sense_at_a_call_is_refused_in_words(said, words):
    with pytest.raises(ValueError, match=words):
        CallOptions(**said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": ""}, "name takes a name"),
        ({"name": "send\0"}, "name holds a NUL"),
        ({"name": "\udfff"}, "name holds a NUL"),
        ({"name": "send" * 64}, "name has at most 255 characters, not 256"),
        ({"queue": "\0"}, "queue holds a NUL"),
        ({"queue": ""}, "queue takes a name"),
        ({"queue": None}, "queue takes a name"),
        ({"priority": 10}, "priority"),
        ({"priority": None}, "priority"),
    ],
)
def test_what_makes_no_sense_on_a_function_is_refused_in_words(said, words):
    with pytest.raises(ValueError, match=words):
        Options(**said)


@pytest.mark.parametrize("priority", range(10))
def test_every_priority_from_0_to_9_is_one(priority):
    assert CallOptions(priority=priority).priority == Options(priority=priority).priority == priority
