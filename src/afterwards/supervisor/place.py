"""Keeps one child running: starts it, and another when that has died or rests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from afterwards.supervisor.backoff import Backoff
from afterwards.supervisor.child import PATIENCE, Child, start_child
from afterwards.supervisor.health import Seen
from afterwards.supervisor.lines import Lines


class Place:
    """One of the supervisor's. `came_up` is called when a child has, `hopeless` when some in a row have not."""

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        lines: Lines,
        *,
        came_up: Callable[[], None],
        hopeless: Callable[[Child], None],
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._number, self._command, self._lines = number, command, lines
        self._came_up, self._hopeless = came_up, hopeless
        self._backoff = Backoff()
        self._children: list[Child] = []  # the last is the one that works; those before it rest
        self._stopping = self._killing = False
        self._hurry = asyncio.Event()
        self.all_well = True  # every child that was told to stop has done so

    async def keep(self) -> None:
        """Until `stop`, and then until the last child has ended."""
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                try:
                    child = await start_child(self._number, self._command, patience=self._patience)
                except OSError as error:  # no memory or no process left, for now
                    await self._wait_after_failure(error)
                    continue
                self._children.append(child)
                group.create_task(self._tend(child))
                if self._stopping:  # told while it was being started
                    self._end(child)
                await child.left.wait()
                if not child.rests and not self._stopping:
                    await self._wait_after(child)

    def replace(self, why: str) -> None:
        """Start another child now. One that rests already, and is still not done, is stopped."""
        self._backoff = Backoff()
        for child in self._children:
            if child.rests:
                child.stop()
            else:
                self._lines.rests(child, why)
                child.rest()
        self._hurry.set()

    def stop(self) -> None:
        """Start no more, and stop what there is."""
        self._stopping = True
        self._hurry.set()
        for child in self._children:
            self._end(child)

    def kill(self) -> None:
        """End what there is at once."""
        self._killing = True
        self.stop()

    def seen(self) -> Seen:
        """The child that works, as it looks from here. Asked from any thread."""
        working = next((child for child in reversed(tuple(self._children)) if not child.rests), None)
        return Seen(number=self._number, pid=None, report=None) if working is None else working.seen()

    async def _tend(self, child: Child) -> None:
        await child.tend(self._heard)
        self._children.remove(child)
        if (self._stopping or child.rests) and child.code != 0 and not self._killing:
            self.all_well = self.all_well and not self._stopping
            self._lines.did_not_stop_well(child)

    def _heard(self, child: Child) -> None:
        if child.cannot_start is not None:
            self._lines.cannot_start(child)
        elif child.has_just_come_up():
            self._lines.came_up(child)
            self._came_up()
        rested_before = any(other.rests for other in self._children)
        if child.report is not None and child.report.enough is not None and not rested_before and not self._stopping:
            self._lines.rests(child, child.report.enough)
            child.rest()

    async def _wait_after(self, child: Child) -> None:
        self._backoff = self._backoff.after_death(lived=child.lived)
        if not child.came_up and self._backoff.is_hopeless:
            self._hopeless(child)
        if not self._stopping:
            self._lines.died(child, self._backoff.delay)
            await self._wait(self._backoff.delay)

    async def _wait_after_failure(self, error: OSError) -> None:
        self._backoff = self._backoff.after_death(lived=0.0)
        self._lines.cannot_be_started(self._number, error)
        await self._wait(max(self._backoff.delay, 0.5))

    async def _wait(self, seconds: float) -> None:
        self._hurry.clear()
        if not self._stopping:
            await _within(seconds, self._hurry)

    def _end(self, child: Child) -> None:
        if self._killing:
            child.kill()
        else:
            child.stop()


async def _within(seconds: float, event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
