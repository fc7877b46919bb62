"""What a store says about its own set-up when it is asked. Nouns only; each store looks for itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    WELL = "well"
    NOTE = "note"  # good to know, nothing to mend
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at, in words; what is wrong ends with what to do."""

    level: Level
    subject: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What was found without writing or creating anything.

    `exists`: there is a store, and it can be read; `unreadable` says why not, when that is no matter of its not being
    made yet. `behind`: its schema is older than this version's.
    """

    place: str
    exists: bool
    findings: tuple[Finding, ...]
    unreadable: str = ""
    behind: bool = False


def well(subject: str, says: str) -> Finding:
    """All is as it should be."""
    return Finding(level=Level.WELL, subject=subject, says=says)


def note(subject: str, says: str) -> Finding:
    """Good to know."""
    return Finding(level=Level.NOTE, subject=subject, says=says)


def wrong(subject: str, says: str) -> Finding:
    """To be mended."""
    return Finding(level=Level.WRONG, subject=subject, says=says)
