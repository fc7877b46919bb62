"""What is kept of a run, as every store writes and reads it: progress, logs, and what was said of keeping. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from afterwards.stored import cleaned
from afterwards.tasks import Keeps, LogLine, Progress


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


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
