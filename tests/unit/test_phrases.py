"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterwards.phrases import moment

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("90min", NOW - timedelta(minutes=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-11-30", datetime(2026, 11, 30, tzinfo=UTC)),
        ("2026-11-30T14:00", datetime(2026, 11, 30, 14, tzinfo=UTC)),
        ("2026-11-30T14:00+01:00", datetime(2026, 11, 30, 13, tzinfo=UTC)),
    ],
)
def test_a_moment_is_typed_as_how_long_ago_or_as_a_date(text: str, means: datetime):
    assert moment(text, NOW) == means
    assert moment(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "soon", "2", "h", "-2h", "2 h", "2y", "9999999w", "999999w", "2026-13-01", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_moment_is_refused_in_words(text: str):
    with pytest.raises(ValueError, match="is neither how long ago, such as 90min, 2h or 7d, nor a date"):
        moment(text, NOW)
