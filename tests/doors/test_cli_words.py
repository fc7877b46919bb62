"""The words of the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterwards.cli.words import first_line, fitted, listed, table
from afterwards.harmless import harmless
from afterwards.phrases import ago, ahead, duration

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 框架　é", "plain 框架　é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b0m\x7f", "\\x9b0m\\x7f"),
        ("\u202egpj", "\\u202egpj"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_only_what_is_plain_is_left_plain(text: str, shown: str):
    assert harmless(text) == shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0154, "15 ms"), (2.2, "2 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_durations_are_said_in_one_unit(seconds: float, said: str):
    assert duration(timedelta(seconds=seconds)) == said


def test_moments_are_said_from_now():
    assert ago(NOW - timedelta(seconds=2), NOW) == "2 s ago"
    assert ago(NOW + timedelta(seconds=2), NOW) == "0 ms ago"
    assert ahead(NOW + timedelta(minutes=5), NOW) == "in 5 min"
    assert ahead(NOW, NOW) == "now"


def test_the_first_line_that_says_something_is_cut_to_a_length():
    assert first_line("\n  \n what it says \n more", 80) == "what it says"
    assert first_line("x" * 20, 10) == "x" * 9 + "…"
    assert first_line("", 10) == ""


def test_wide_characters_take_two_columns():
    assert table(("NAME", "STATE"), [("框架", "done"), ("abcd", "done")]) == "NAME  STATE\n框架  done\nabcd  done"


def test_a_column_without_content_is_left_out():
    assert table(("A", "B"), [("1", ""), ("2", "")]) == "A\n1\n2"


@pytest.mark.parametrize(
    ("columns", "lines", "shown"),
    [
        (20, 9, "ID  NAME\n7   send_welcome\n8   发送邮件"),
        (10, 9, "ID  NAME\n7   send_…\n8   发送…"),
        (20, 2, "ID  NAME\n7   send_welcome"),
        (1, 0, "…"),
    ],
)
def test_what_is_drawn_again_and_again_fits_the_terminal(columns: int, lines: int, shown: str):
    assert fitted("ID  NAME\n7   send_welcome\n8   发送邮件", columns, lines) == shown


def test_sentences_wrap_under_themselves():
    assert listed([("ok", "disk", "a long sentence")], 18) == "ok  disk  a long\n          sentence"
