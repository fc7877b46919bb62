"""What is kept of a run, as every store writes and reads it: progress, logs, tries, what was said of keeping."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from afterwards.stored import cleaned, instant, microseconds_at
from afterwards.tasks import Failure, Keeps, LogLine, Progress, Try, TryEnding


def progress_text(progress: Progress) -> str:
    """A progress as it is stored."""
    return _text({"done": progress.done, "of": progress.of, "say": cleaned(progress.say)})


def progress(stored: str | None) -> Progress | None:
    """A stored progress. None for one that only a newer version knows: nothing hangs on it."""
    if stored is None:
        return None
    try:
        fields = json.loads(stored)
        return Progress(done=fields["done"], of=fields["of"], say=fields["say"])
    except (ValueError, TypeError, KeyError):
        return None


def keeps_text(keeps: Keeps) -> str:
    """What was said of keeping, as it is stored."""
    return _text({"result": keeps.result, "logs": keeps.logs})


def keeps(stored: str | None) -> Keeps | None:
    """What was said of keeping; what a newer version added is not for this one."""
    if stored is None:
        return None
    fields = cast("dict[str, bool | None]", json.loads(stored))
    return Keeps(result=fields.get("result"), logs=fields.get("logs"))


def logs_text(logs: Sequence[LogLine]) -> str:
    """The lines of a log as they are stored."""
    return _text([[line.at.isoformat(), line.level, cleaned(line.logger), cleaned(line.text)] for line in logs])


def logs(stored: str | None) -> tuple[LogLine, ...]:
    """The stored lines of a log."""
    if stored is None:
        return ()
    lines = cast("list[tuple[str, str, str, str]]", json.loads(stored))
    return tuple(
        LogLine(at=datetime.fromisoformat(at), level=level, logger=logger, text=text)
        for at, level, logger, text, *_ in lines
    )


def tries_text(tries: Sequence[Try]) -> str | None:
    """Tries as they are stored; None for none."""
    return f"[{','.join(map(try_text, tries))}]" if tries else None


def try_text(one: Try) -> str:
    """A try as it is stored, and as the statements and scripts that note one write it."""
    return _text(
        {
            "run": one.run,
            "number": one.number,
            "attempt": one.attempt,
            "started": microseconds_at(one.started),
            "ended": microseconds_at(one.ended),
            "ending": one.ending,
            "kind": None if one.error is None else cleaned(one.error.kind),
            "message": None if one.error is None else cleaned(one.error.message),
        }
    )


def tries(stored: str | None) -> tuple[Try, ...]:
    """The stored tries, without those that only a newer version knows how to read."""
    if stored is None:
        return ()
    found = (_try(fields) for fields in cast("list[dict[str, Any]]", json.loads(stored)))
    return tuple(one for one in found if one is not None)


def _try(fields: dict[str, Any]) -> Try | None:
    try:
        kind, message = fields["kind"], fields["message"]
        return Try(
            number=fields["number"],
            run=fields["run"],
            attempt=fields["attempt"],
            started=instant(fields["started"]),
            ended=instant(fields["ended"]),
            ending=TryEnding(fields["ending"]),
            error=None if kind is None else Failure(kind=kind, message=message),
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
