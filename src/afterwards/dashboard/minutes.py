"""What people have done at the doors of this process, for those who look: the newest of it. No store keeps it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from afterwards.events import Event, Events, Steered

MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One thing that somebody did; `at` is by the clock of this process."""

    at: datetime
    what: Steered


class Minutes:
    """Hears what people do in this process, from now on."""

    def __init__(self, events: Events) -> None:
        self.since = datetime.now(UTC)
        self._newest: deque[Minute] = deque(maxlen=MOST)
        events.hear(self._note, Steered)

    @property
    def newest(self) -> list[Minute]:
        """The newest first, `MOST` at most."""
        return list(reversed(self._newest.copy()))

    def _note(self, event: Event) -> None:
        if isinstance(event, Steered):
            self._newest.append(Minute(at=datetime.now(UTC), what=event))
