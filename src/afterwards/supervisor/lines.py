"""What the supervisor logs: the only place of it that writes lines. It has no house, so no events."""

from __future__ import annotations

import logging
import signal

from afterwards.supervisor.child import Child
from afterwards.supervisor.reload import CannotWatch

logger = logging.getLogger("afterwards.supervisor")


class Lines:
    """Says once what its children say alike, however many they are."""

    def __init__(self) -> None:
        self._last_trouble: str | None = None

    def starts(self, processes: int, probes: int | None) -> None:
        """`probes` is the port on which health is asked for."""
        health = "" if probes is None else f"; /live and /ready are answered on port {probes}"
        logger.info("%d worker process%s%s", processes, "" if processes == 1 else "es", health)

    def cannot_start(self, child: Child) -> None:
        """A child has told why; the others would say the same."""
        if child.cannot_start != self._last_trouble:
            self._last_trouble = child.cannot_start
            logger.error("worker %d cannot start: %s", child.number, child.cannot_start)

    def cannot_be_started(self, number: int, error: OSError) -> None:
        """The system has no process for it; it is tried again."""
        logger.error("worker %d cannot be started: %s", number, error)

    def came_up(self, child: Child) -> None:
        """Whatever was wrong is over."""
        self._last_trouble = None
        logger.info("worker %d is process %d", child.number, child.pid)

    def died(self, child: Child, delay: float) -> None:
        """Nobody had asked it to end."""
        again = f"another starts in {delay:.1f} s" if delay else "another starts now"
        how = "said nothing any more and was killed" if child.hangs else how_it_ended(child.code)
        logger.warning("worker %d (process %d) %s; %s", child.number, child.pid, how, again)

    def rests(self, child: Child, why: str) -> None:
        """Another takes its place."""
        logger.info("worker %d (process %d) is replaced: %s", child.number, child.pid, why)

    def stops(self) -> None:
        """All children are told."""
        logger.info("stopping; what runs gets its grace")

    def did_not_stop_well(self, child: Child) -> None:
        """It was told to."""
        logger.error("worker %d (process %d) %s", child.number, child.pid, how_it_ended(child.code))

    def kills(self) -> None:
        """A second signal."""
        logger.warning("a second signal: ending at once; what runs now will run again")

    def gives_up(self) -> None:
        """No child has ever come up."""
        logger.error("no worker could start; giving up")

    def cannot_watch(self, error: CannotWatch) -> None:
        """With `--reload`: it is the end."""
        logger.error("%s", error)

    def changed(self, files: list[str]) -> None:
        """With `--reload`."""
        logger.info("changed: %s", ", ".join(files))


def how_it_ended(code: int | None) -> str:
    """In words: a negative code is a signal's."""
    if code is None or code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
