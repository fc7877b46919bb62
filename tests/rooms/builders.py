"""What the tests of the rooms share: a store in a folder, conditions to wait for, and a wall clock that jumps."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from afterwards.counting import Counting, Sheet
from afterwards.events import Events
from afterwards.janitor import Janitor
from afterwards.keeper import Keeper
from afterwards.life import ProofOfLife
from afterwards.registry import Registry
from afterwards.retries import Retry
from afterwards.roll_call import RollCall
from afterwards.store import Store
from afterwards.stores import store_for
from afterwards.tasks import Claim, Note, SignedOn, WorkerId
from afterwards.timetable import Ticker, Timetable

AN_HOUR = timedelta(hours=1)


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'rooms.db'}"


def a_store(folder: Path) -> Store:
    return store_for(url_in(folder))


def a_janitor(
    store: Store,
    *,
    events: Events | None = None,
    life: ProofOfLife | None = None,
    lease: timedelta = AN_HOUR,
    retention: timedelta = AN_HOUR,
    knows: Callable[[str], bool] = lambda name: False,
    timetable: Timetable | None = None,
) -> Janitor:
    events = events or Events()
    registry = Registry(retry=Retry(), max_bytes=1_000_000, check=lambda dependencies: None)
    ticker = Ticker(store, timetable or Timetable(), registry, events)
    roll_call = RollCall(
        store, events, lease=lease, worker=lambda: None, known=list[Claim], give_back=lambda claims: None
    )
    return Janitor(
        store,
        events,
        life or ProofOfLife(),
        lease=lease,
        retention=retention,
        knows=knows,
        ticker=ticker,
        roll_call=roll_call,
    )


def a_keeper(
    store: Store,
    worker: WorkerId,
    *,
    lease: timedelta = AN_HOUR,
    events: Events | None = None,
    busy: Callable[[], bool] = lambda: False,
    lost: Callable[[], None] = lambda: None,
    notes: Callable[[], Sequence[Note]] = lambda: (),
    sheet: Sheet | None = None,
) -> Keeper:
    """Made in the loop that it looks at."""

    def nobody_is_asked(claims: Sequence[Claim]) -> None:
        raise AssertionError("nothing was cancelled")

    return Keeper(
        store,
        events or Events(),
        worker,
        lease=lease,
        busy=busy,
        lost=lost,
        asked_to_stop=nobody_is_asked,
        notes=notes,
        sheet=sheet or Sheet(Counting(Events()), asyncio.get_running_loop()),
    )


async def signed_on(store: Store, worker: WorkerId) -> SignedOn:
    return next(each for each in await store.workers() if each.id == worker)


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


def threads_named(*beginnings: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(beginnings)]


def let_the_clock_jump(monkeypatch: pytest.MonkeyPatch, by: timedelta = AN_HOUR) -> None:
    """Set the wall clock of this process; the monotonic one goes on as it was."""
    seconds, read, read_ns = by.total_seconds(), time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: read() + seconds)
    monkeypatch.setattr(time, "time_ns", lambda: read_ns() + int(seconds * 1e9))
