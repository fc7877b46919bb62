"""The options by which commands say which tasks are meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

import typer

from afterwards.app import Afterwards
from afterwards.cli.trouble import UsedWrongly
from afterwards.phrases import moment
from afterwards.steering import What, search_of
from afterwards.tasks import Search, State

OfState = Annotated[State | None, typer.Option("--state", help="Only tasks in this state.")]
OfQueue = Annotated[str | None, typer.Option("--queue", help="Only tasks of this queue.")]
OfFunction = Annotated[
    str | None, typer.Option("--function", "--name", help="Only tasks of this function, as main:send_welcome.")
]
OfError = Annotated[
    str | None,
    typer.Option(
        "--error", help="Only those whose last error is of this class, as TimeoutError or smtplib.SMTPException."
    ),
]
OfKey = Annotated[str | None, typer.Option("--key", help="Only those that hold this key, or held it.")]
AddedAfter = Annotated[
    str | None, typer.Option("--added-after", metavar="WHEN", help="Only those added then or later: 2h, 7d, or a date.")
]
AddedBefore = Annotated[str | None, typer.Option("--added-before", metavar="WHEN", help="Only those added earlier.")]


def narrowed(
    afterwards: Afterwards,
    *,
    state: State | None,
    queue: str | None,
    function: str | None,
    error: str | None,
    key: str | None,
    added_after: datetime | None,
    added_before: datetime | None,
) -> Search:
    """The search for what these options say; None does not narrow. Raises UsedWrongly."""
    words: dict[str, object] = {"state": state, "queue": queue, "function": function, "error": error, "key": key}
    given = {**words, "added_after": added_after, "added_before": added_before}
    what = {part: value for part, value in given.items() if value is not None}
    try:
        return search_of(cast("What", what), afterwards.house.registry)
    except ValueError as wrong:
        raise UsedWrongly(str(wrong)) from wrong


def since_when(text: str | None, seconds: float | None) -> datetime | None:
    """The same, said in either way. Raises UsedWrongly."""
    if text is not None and seconds is not None:
        raise UsedWrongly("--since and --added-after both say since when: give one of them")
    return instant(text) if seconds is None else datetime.now(UTC) - timedelta(seconds=seconds)


def instant(text: str | None) -> datetime | None:
    """What somebody typed for a moment. Raises UsedWrongly."""
    try:
        return None if text is None else moment(text, datetime.now(UTC))
    except ValueError as wrong:
        raise UsedWrongly(str(wrong)) from wrong
