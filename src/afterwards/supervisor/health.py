"""Whether the workers are well, decided from what they reported. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterwards.supervisor.reports import Report

SILENT_AFTER = 10.0  # seconds without a report, which comes once a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One worker process as it looks from outside; `silent` counts the seconds since its last report."""

    number: int
    pid: int | None
    report: Report | None
    silent: float = 0.0

    @property
    def trouble(self) -> str | None:
        """Why it is not ready, or None."""
        if self.pid is None:
            return "it is not running"
        if self.report is None or not self.report.up:
            return "it has not started yet"
        if self.silent > SILENT_AFTER:
            return f"it has not reported for {self.silent:.0f} s"
        if self.report.away is not None:
            return f"the store does not answer: {self.report.away}"
        return None if self.report.signed_on else "it has not signed on"

    def as_json(self) -> dict[str, object]:
        """For the answer to a probe."""
        report = self.report or Report()
        return {
            "number": self.number,
            "pid": self.pid,
            "ready": self.trouble is None,
            "reason": self.trouble,
            "ended": report.ended,
            "resident": report.resident,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a probe is told: ready when nothing stops and every process is well."""

    processes: Sequence[Seen]
    stopping: bool

    @property
    def trouble(self) -> str | None:
        """Why it is not ready, or None."""
        if self.stopping:
            return "it is stopping"
        return next((f"process {each.number}: {each.trouble}" for each in self.processes if each.trouble), None)

    def as_json(self) -> dict[str, object]:
        """For the answer to a probe."""
        return {
            "ready": self.trouble is None,
            "reason": self.trouble,
            "processes": [each.as_json() for each in self.processes],
        }
