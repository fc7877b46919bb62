"""Hears the events of a worker process and says how it is. Asked from any thread; does nothing itself."""

from __future__ import annotations

from collections.abc import Callable

from afterwards import events
from afterwards.events import Event, Events
from afterwards.outcomes import Ending
from afterwards.resident import resident
from afterwards.supervisor.limits import Limits
from afterwards.supervisor.reports import Report

# Who is heard: those that try again by themselves and then say that the store is back.
_TRY_AGAIN = ("open", "claim", "renew", "settle", "rescue")

_NOT_RUN = (Ending.RETURNED, Ending.UNKNOWN)


class Watch:
    """`changed` is called, in the speaker's thread, when the supervisor should hear of it at once."""

    def __init__(self, limits: Limits, *, changed: Callable[[], None] = lambda: None) -> None:
        self._limits, self._changed = limits, changed
        self._away: dict[str, str] = {}
        self._ended = 0
        self._enough = self._signed_on = self.up = False

    def hear(self, house_events: Events) -> None:
        """Begin to hear."""
        house_events.hear(
            self._hear,
            events.WorkerStarted,
            events.WorkerStopped,
            events.LeaseWasLost,
            events.StoreAway,
            events.StoreBack,
            events.StoreOpened,
        )
        house_events.hear(self._count, events.TaskEnded)

    def come_up(self) -> None:
        """The functions are imported, the store has been tried, the worker begins."""
        self.up = True
        self._changed()

    def report(self) -> Report:
        """How it is now."""
        size = resident()
        return Report(
            up=self.up,
            signed_on=self._signed_on,
            away=next(iter(tuple(self._away.values())), None),
            ended=self._ended,
            resident=size,
            enough=self._limits.reached(ended=self._ended, resident=size),
        )

    def _hear(self, event: Event) -> None:
        match event:
            case events.WorkerStarted():
                self._signed_on = True
            case events.WorkerStopped() | events.LeaseWasLost():
                self._signed_on = False
            case events.StoreAway() if event.doing in _TRY_AGAIN:
                self._away[event.doing] = str(event.error)
            case events.StoreBack():
                self._away.pop(event.doing, None)
            case events.StoreOpened():
                self._away.pop("open", None)
            case _:
                pass
        self._changed()

    def _count(self, event: Event) -> None:
        if isinstance(event, events.TaskEnded) and event.outcome.ending not in _NOT_RUN:
            self._ended += 1
            if not self._enough and self._limits.reached(ended=self._ended, resident=None):
                self._enough = True  # said once at once, then with every report
                self._changed()
