"""Gathers outcomes and settles them together: one write for many.

An outcome is never dropped while its claim may hold: when the store is away it is tried again until the store is back
or the worker's time is up, and then the lease says what becomes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from afterwards.chance import jittered
from afterwards.errors import StoreUnavailable
from afterwards.events import Events, LoopFailed, Presence, ResultsDropped, TasksAdded
from afterwards.outcomes import Outcome
from afterwards.store import Store
from afterwards.tasks import Claim, Settled, Task, WorkerId

LARGEST_WRITE = 500
GATHERING = 0.010  # seconds: while more is on its way, other outcomes and adds come and share the write
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class Settler:
    """Settles what its worker ran; tells it what is settled, with the followers that this freed, already claimed."""

    def __init__(
        self,
        store: Store,
        events: Events,
        *,
        is_idle: Callable[[], bool],
        settled: Callable[[Sequence[Outcome], Sequence[Task]], None],
    ) -> None:
        self._store = store
        self._events = events
        self._presence = Presence(events, "settle")
        self._is_idle = is_idle
        self._settled = settled
        self._outcomes: list[Outcome] = []
        self._in_hand: list[Outcome] = []
        self._hurry = False
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.claims_for: WorkerId | None = None

    @property
    def pending(self) -> int:
        """How many outcomes wait to be written, or are on their way."""
        return len(self._outcomes) + len(self._in_hand)

    def claims(self) -> list[Claim]:
        """The runs whose outcomes wait to be written, or are on their way."""
        return [outcome.claim for outcome in (*self._in_hand, *self._outcomes)]

    def put(self, outcome: Outcome, *, hurry: bool = False) -> None:
        """Settle this outcome soon; in a `hurry` at once, since another task waits for it."""
        self._outcomes.append(outcome)
        self._hurry |= hurry
        self._idle.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Settle until cancelled."""
        while True:
            await self._arrived.wait()
            if not self._hurry and len(self._outcomes) < LARGEST_WRITE and not self._is_idle():
                await asyncio.sleep(GATHERING)
            await self._settle_some()

    async def flush(self) -> None:
        """Wait until everything that was put has been settled."""
        await self._idle.wait()

    async def _settle_some(self) -> None:
        some, self._outcomes = self._outcomes[:LARGEST_WRITE], self._outcomes[LARGEST_WRITE:]
        self._in_hand, self._hurry = some, False
        settled = await self._until_written(some)
        self._in_hand = []
        self._say_dropped(some, settled)
        self._say_added(some, settled)
        self._settled(some, settled.claimed)
        if not self._outcomes:
            self._arrived.clear()
            self._idle.set()

    async def _until_written(self, some: list[Outcome]) -> Settled:
        pause = _FIRST_PAUSE
        while True:
            try:
                settled = await self._store.settle(some, claimed_by=self.claims_for)
            except StoreUnavailable as error:
                self._presence.away(error)
            except Exception as error:  # whatever it was, nobody else keeps these outcomes
                self._events.say(LoopFailed(loop="settle", error=error))
            else:
                self._presence.back()
                return settled
            await asyncio.sleep(jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _say_dropped(self, some: list[Outcome], settled: Settled) -> None:
        if len(settled.held) < len(some):
            held = set(settled.held)
            dropped = tuple(outcome.claim for outcome in some if outcome.claim not in held)
            self._events.say(ResultsDropped(claims=dropped))

    def _say_added(self, some: list[Outcome], settled: Settled) -> None:
        adding = [outcome for outcome in some if outcome.calls]
        if adding and self._events.heard(TasksAdded):
            held = set(settled.held)
            ids = tuple(call.id for outcome in adding if outcome.claim in held for call in outcome.calls)
            self._events.say(TasksAdded(ids=ids))
