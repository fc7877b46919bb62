"""Finds the runs that the store believes a worker has and that the worker knows nothing of, and gives them back.

A store may forget what it had acknowledged: a server that was killed had not yet written it, a failover went to a
replica that had not yet received it. A settlement that was forgotten leaves its task running, for a worker that lives
and renews, so that no rescue would ever come for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from afterwards.events import ClaimsStrayed, Events
from afterwards.store import Store
from afterwards.tasks import Claim, WorkerId

CALLS_PER_LEASE = 3


class RollCall:
    """Every third of a lease. `known` are the runs that the worker has in hand; `give_back` returns others."""

    def __init__(
        self,
        store: Store,
        events: Events,
        *,
        lease: timedelta,
        worker: Callable[[], WorkerId | None],
        known: Callable[[], Collection[Claim]],
        give_back: Callable[[Sequence[Claim]], None],
    ) -> None:
        self._store, self._events = store, events
        self._worker, self._known, self._give_back = worker, known, give_back
        self._every = lease.total_seconds() / CALLS_PER_LEASE
        self._next = time.monotonic() + self._every
        self._missed: set[Claim] = set()

    async def round(self) -> None:
        """Call the roll, if it is time. What is missed twice is given back: once, it may be on its way here."""
        worker = self._worker()
        if worker is None or time.monotonic() < self._next:
            return
        missed = set(await self._store.claims(worker)) - set(self._known())
        self._next = time.monotonic() + self._every
        strays = missed & self._missed
        self._missed = missed - strays
        if strays and worker == self._worker():
            self._events.say(ClaimsStrayed(claims=tuple(strays)))
            self._give_back(tuple(strays))
