"""Errors as text that can be kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afterwards.failures import LONGEST_MESSAGE, clean, failure_of


class OpaqueError(Exception):
    def __str__(self) -> str:
        raise ValueError("never")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_the_message_the_class_and_the_place_are_kept() -> None:
    failure = failure_of(raised(KeyError("name")))
    assert (failure.kind, failure.message, str(failure)) == ("KeyError", "'name'", "'name'")
    assert __file__ in failure.traceback
    assert failure.traceback.rstrip().endswith("KeyError: 'name'")


def test_an_error_without_a_message_is_named_by_its_class() -> None:
    assert failure_of(raised(TimeoutError())).message == "TimeoutError"


def test_an_error_that_cannot_be_printed_is_kept_all_the_same() -> None:
    failure = failure_of(raised(OpaqueError()))
    assert failure.message == "(the text of this OpaqueError cannot be read: ValueError)"
    assert "OpaqueError" in failure.traceback


def test_frames_of_the_runner_above_the_users_code_are_left_out() -> None:
    failure = failure_of(raised(ValueError("x")), hide=[__file__])
    assert __file__ not in failure.traceback


def test_the_cause_of_an_error_is_kept() -> None:
    error = RuntimeError("no mail")
    error.__cause__ = ConnectionError("refused")
    assert "ConnectionError: refused" in failure_of(raised(error)).traceback


@given(st.text(st.characters(), max_size=5_000))
def test_every_text_becomes_one_that_any_store_can_keep(text: str) -> None:
    kept = clean(text, LONGEST_MESSAGE)
    assert "\0" not in kept
    assert len(kept) <= LONGEST_MESSAGE
    assert kept.encode("utf-8").decode("utf-8") == kept


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    kept = clean("begin" + "x" * 10_000 + "end", 100)
    assert kept.startswith("begin")
    assert kept.endswith("end")
    assert "(cut)" in kept
