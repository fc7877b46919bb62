"""What a child tells its supervisor, as lines of JSON, and what the supervisor tells a child. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

LONGEST_LINE = 2**20
_LONGEST_TROUBLE = 100_000


class Wanted(StrEnum):
    """What a child may be told."""

    STOP = "stop"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a worker process is. `enough` says why another should take its place, `away` why the store is away."""

    up: bool = False
    signed_on: bool = False
    away: str | None = None
    ended: int = 0
    resident: int | None = None
    enough: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotStart:
    """Why a child cannot start, in words for a person; it ends after this."""

    text: str


def to_line(said: Report | CannotStart) -> bytes:
    """One line, its end included."""
    if isinstance(said, CannotStart):
        return json.dumps({"cannot_start": said.text[:_LONGEST_TROUBLE]}).encode() + b"\n"
    return json.dumps({"report": asdict(said)}).encode() + b"\n"


def from_line(line: bytes) -> Report | CannotStart:
    """The reverse. Both ends are of one version: the supervisor starts its own interpreter."""
    content = json.loads(line)
    if "cannot_start" in content:
        return CannotStart(text=content["cannot_start"])
    return Report(**content["report"])
