from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterwards.retries import LONGEST, Again, Retry, Stop, as_duration, kind_of, retry_as_json, retry_from_json


class OwnError(LookupError):
    pass


def seconds(retry: Retry, attempt: int, chance: float = 0.5) -> float | None:
    wait = retry.after(ValueError(), attempt, chance=lambda: chance)
    return None if wait is None else wait.total_seconds()


def test_each_wait_is_longer_by_the_factor_up_to_the_longest():
    retry = Retry(attempts=6, first=2, factor=3, longest=50, jitter=0)
    assert [seconds(retry, attempt) for attempt in range(1, 7)] == [2, 6, 18, 50, 50, None]


def test_the_first_try_counts():
    assert seconds(Retry(attempts=1), 1) is None
    assert seconds(Retry.never, 1) is None


def test_a_crash_may_still_repeat_what_is_never_tried_again():
    assert Retry.never.crashes == Retry().crashes == 3


def test_jitter_stretches_and_shortens_by_its_share():
    retry = Retry(first=100, jitter=0.1)
    assert [seconds(retry, 1, chance) for chance in (0.0, 0.5, 1.0)] == [90, 100, 110]


@given(
    st.integers(1, 10**9), st.floats(1, 1e308), st.floats(0, LONGEST.total_seconds()), st.floats(0, 1), st.floats(0, 1)
)
def test_a_wait_is_always_a_duration(attempt, factor, first, jitter, chance):
    retry = Retry(attempts=attempt + 1, factor=factor, first=first, jitter=jitter, longest=3600)
    wait = seconds(retry, attempt, chance)
    assert wait is not None
    assert 0 <= wait <= 7200


def test_a_wait_that_grows_from_nothing_stays_nothing():
    assert seconds(Retry(attempts=10**6, first=0, factor=1e10), 10**5) == 0


@pytest.mark.parametrize(
    ("retry", "error", "again"),
    [
        (Retry(), KeyError(), True),
        (Retry(unless=(LookupError,)), KeyError(), False),
        (Retry(unless=(LookupError,)), ValueError(), True),
        (Retry(unless=("LookupError",)), OwnError(), False),
        (Retry(unless=(kind_of(OwnError),)), OwnError(), False),
        (Retry(unless=("OwnError",)), OwnError(), True),
        (Retry(only=(LookupError,)), OwnError(), True),
        (Retry(only=(LookupError,)), ValueError(), False),
        (Retry(only=(LookupError,), unless=(KeyError,)), KeyError(), False),
        (Retry(only=(LookupError,), unless=(KeyError,)), IndexError(), True),
        (Retry(only=(Exception,)), SystemExit(), False),
    ],
)
def test_only_and_unless_choose_by_class_or_by_name(retry, error, again):
    assert (retry.after(error, 1) is not None) is again


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"attempts": 0}, "attempts counts the first try"),
        ({"attempts": 2.5}, "attempts is a whole number"),
        ({"attempts": "3"}, "attempts is a whole number"),
        ({"attempts": True}, "attempts is a whole number"),
        ({"crashes": -1}, "crashes cannot be negative"),
        ({"crashes": None}, "crashes is a whole number"),
        ({"factor": "2"}, "factor is a number"),
        ({"jitter": None}, "jitter is a number"),
        ({"factor": 0.5}, "factor"),
        ({"factor": math.nan}, "factor"),
        ({"factor": math.inf}, "factor"),
        ({"jitter": 2}, "jitter"),
        ({"jitter": math.nan}, "jitter"),
        ({"first": -1}, "first cannot be negative"),
        ({"longest": math.inf}, "longest takes a finite number"),
        ({"only": ValueError}, "only takes a tuple"),
        ({"unless": "ValueError"}, "unless takes a tuple"),
        ({"unless": (5,)}, "unless takes a tuple"),
        ({"unless": (int,)}, "unless takes a tuple"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(said, words):
    with pytest.raises(ValueError, match=words):
        Retry(**said)


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        (5, timedelta(seconds=5)),
        (0.5, timedelta(milliseconds=500)),
        (timedelta(minutes=1), timedelta(minutes=1)),
        (0, timedelta(0)),
    ],
)
def test_a_duration_is_seconds_or_a_timedelta(value, duration):
    assert as_duration(value, "delay") == duration


@pytest.mark.parametrize("value", [-1, timedelta(-1), math.nan, math.inf, True, "5", None, 1e300, 1e11, timedelta.max])
def test_what_is_no_duration_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"^delay "):
        as_duration(value, "delay")


@given(
    st.builds(
        Retry,
        attempts=st.integers(1, 100),
        crashes=st.integers(0, 100),
        first=st.floats(0, 1e6) | st.timedeltas(timedelta(0), timedelta(365)),
        factor=st.floats(1, 100),
        longest=st.floats(0, 1e6),
        jitter=st.floats(0, 1),
        only=st.lists(st.sampled_from([ValueError, OwnError, "httpx.ReadTimeout"]), max_size=2).map(tuple),
        unless=st.lists(st.sampled_from([KeyError, "some.Error"]), max_size=2).map(tuple),
    )
)
def test_a_policy_decides_the_same_when_it_was_stored(retry):
    stored = retry_from_json(json.loads(json.dumps(retry_as_json(retry))))
    assert retry_as_json(stored) == retry_as_json(retry)
    for error in (ValueError(), OwnError(), KeyError()):
        assert stored.after(error, 1, chance=lambda: 0.3) == retry.after(error, 1, chance=lambda: 0.3)


def test_a_stored_policy_of_another_version_is_read_as_far_as_it_is_known():
    assert retry_from_json({"attempts": 2, "of_a_newer_version": 1}) == Retry(attempts=2)


def test_again_takes_seconds_or_a_timedelta():
    assert Again(after=30).after == Again(after=timedelta(seconds=30)).after == timedelta(seconds=30)
    assert Again().after == timedelta(seconds=1)
    with pytest.raises(ValueError, match="after cannot be negative"):
        Again(after=-1)


def test_stop_says_why():
    assert str(Stop("the account is closed")) == "the account is closed"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ValueError, "ValueError"),
        (OwnError, f"{__name__}.OwnError"),
        (json.JSONDecodeError, "json.decoder.JSONDecodeError"),
    ],
)
def test_an_error_is_kept_by_the_name_of_its_class(kind, name):
    assert kind_of(kind) == name
