"""Returns what was dropped: tasks of dead workers, names that nobody knew; sweeps, makes ticks, removes what is old.

Every worker has a janitor and all do the same; the store lets each thing be done once. It never touches what another
living worker holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from afterwards.chance import jittered
from afterwards.clocks import Clocks
from afterwards.errors import StoreUnavailable
from afterwards.events import Events, LoopFailed, Presence, TasksRescued
from afterwards.hooks import FailureHooks
from afterwards.life import ProofOfLife
from afterwards.roll_call import RollCall
from afterwards.store import Store
from afterwards.tasks import Gate, State, Task
from afterwards.timetable import Ticker

ROUND = 1.0  # seconds, jittered: rescue within 2 s on the same host
UNKNOWN_EVERY, PRUNE_EVERY = 5.0, 30.0
AT_ONCE = 1_000


class Janitor:
    """One round a second: rescue, sweep, tick; now and then also free names that are known here, and prune."""

    def __init__(
        self,
        store: Store,
        events: Events,
        life: ProofOfLife,
        failure_hooks: FailureHooks | None = None,
        *,
        lease: timedelta,
        retention: timedelta,
        knows: Callable[[str], bool],
        ticker: Ticker,
        roll_call: RollCall,
    ) -> None:
        self._store = store
        self._events = events
        self._presence = Presence(events, "rescue")
        self._life = life
        self._lease = lease.total_seconds()
        self._retention = retention
        self._knows = knows
        self._ticker, self._roll_call = ticker, roll_call
        self._failure_hooks, self._poisoned = failure_hooks or FailureHooks(events), list[Task]()
        self._swept: Gate | None = None
        self._clocks = Clocks()
        self._believes_leases_from = time.monotonic()
        self._unknown_duty, self._prune_duty = _Duty(UNKNOWN_EVERY), _Duty(PRUNE_EVERY)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._one_round()
                while self._poisoned:
                    task = self._poisoned.pop()
                    group.create_task(self._failure_hooks.tell(task, task.error))
                await asyncio.sleep(jittered(ROUND, least=0.7))

    async def round(self) -> None:
        """Everything that is due, once."""
        await self._rescue()
        self._swept = await self._store.sweep(after=self._swept)
        await self._ticker.round()
        await self._roll_call.round()
        if self._unknown_duty.is_due():
            await self._free_known_names()
        if self._prune_duty.is_due():
            await self._prune()

    async def _one_round(self) -> None:
        try:
            await self.round()
            self._presence.back()
        except StoreUnavailable as error:
            self._presence.away(error)
        except Exception as error:  # the next round may succeed
            self._events.say(LoopFailed(loop="janitor", error=error))

    async def _rescue(self) -> None:
        dead = self._life.dead(await self._store.workers())
        expired = self._leases_count()
        while True:
            tasks: list[Task] = await self._store.rescue(known_dead=dead, expired=expired, limit=AT_ONCE)
            if tasks:
                self._events.say(TasksRescued(tasks=tuple(tasks)))
                self._poisoned += [task for task in tasks if task.state is State.FAILED]
            if len(tasks) < AT_ONCE:
                break
        self._life.forget(dead)

    def _leases_count(self) -> bool:
        """After a jump of the wall clock all would seem to have run out: the living get a whole lease to renew."""
        if self._clocks.jumped():
            self._believes_leases_from = time.monotonic() + self._lease
        return time.monotonic() >= self._believes_leases_from

    async def _free_known_names(self) -> None:
        names = [name for name in await self._store.unknown_names() if self._knows(name)]
        if names:
            await self._store.free_unknown(names)

    async def _prune(self) -> None:
        while await self._store.prune(older_than=self._retention, limit=AT_ONCE) == AT_ONCE:
            pass  # others write in between: every chunk is a write of its own


class _Duty:
    """Something to be done now and then; due at once at first."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._done = float("-inf")

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self._done < self._every:
            return False
        self._done = now
        return True
