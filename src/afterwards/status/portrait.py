"""What a front end is told about a task. Pure; secrets have been hidden before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from hashlib import blake2b

from afterwards.tasks import Task

Portrait = Mapping[str, object]


def brief(task: Task) -> Portrait:
    """For whoever knows the id: how far it is, and nothing else."""
    return {
        "id": str(task.id),
        "state": task.state,
        "attempt": task.attempt,
        "progress": None if task.progress is None else asdict(task.progress),
    }


def full(task: Task) -> Portrait:
    """For those whom `auth=` lets in. No arguments and no traceback: those are in the dashboard."""
    error = task.error
    return {
        **brief(task),
        "name": task.name,
        "queue": task.queue,
        "added": _iso(task.added),
        "due": _iso(task.due),
        "started": _iso(task.started),
        "ended": _iso(task.ended),
        "result": None if task.returned is None else json.loads(task.returned, parse_constant=_no_number),
        "error": None if error is None else {"kind": error.kind, "message": error.message},
    }


def as_event(portrait: Portrait) -> tuple[str, str]:
    """The portrait as JSON, and a mark that is another for every other portrait."""
    text = as_text(portrait)
    return text, blake2b(text.encode(), digest_size=9).hexdigest()


def as_text(portrait: Portrait) -> str:
    """As JSON in ASCII: half a character, which JSON can write and a result may hold, has no form in UTF-8."""
    return json.dumps(portrait, separators=(",", ":"))


def _no_number(name: str) -> None:
    """NaN and the infinities, which Python's JSON has and no other; JavaScript writes null for them too."""


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
