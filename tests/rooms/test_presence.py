"""What is said when the store is away, and when it is back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards, StoreUnavailable, StoreUnusable
from afterwards.events import Event, Events, LoopFailed, NobodyWorks, Presence, StoreAway, StoreBack, StoreOpened


async def task() -> None:
    """Nothing."""


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


def test_absence_and_return_are_said_once_each() -> None:
    heard: list[Event] = []
    events = Events()
    events.hear(heard.append)
    presence = Presence(events, "claim")
    error = StoreUnavailable("locked")
    presence.back()
    presence.away(error)
    presence.away(error)
    presence.back()
    presence.back()
    assert heard == [StoreAway(doing="claim", error=error), StoreBack(doing="claim")]


def test_a_store_that_was_away_and_then_turns_out_unusable_is_told_once_more() -> None:
    heard: list[Event] = []
    events = Events()
    events.hear(heard.append)
    presence = Presence(events, "claim")
    away, unusable = StoreUnavailable("locked"), StoreUnusable("damaged")
    for error in (away, unusable, unusable):
        presence.away(error)
    assert heard == [StoreAway(doing="claim", error=away), StoreAway(doing="claim", error=unusable)]


async def test_a_store_that_comes_late_and_is_unusable_is_away_until_it_is_cured(tmp_path: Path) -> None:
    heard: list[Event] = []
    folder = tmp_path / "missing"
    afterwards = Afterwards(url=f"sqlite:///{folder / 'tasks.db'}", add_timeout=0.2)
    afterwards.hear(heard.append)
    async with afterwards.opened(worker=True):
        folder.mkdir()
        (folder / "tasks.db").write_bytes(b"no database at all" * 1000)
        await until(lambda: {"claim", "rescue"} <= set(unusable_for(heard)))
        with pytest.raises(StoreUnusable, match="damaged or no SQLite file"):
            await afterwards.add(task)
        (folder / "tasks.db").unlink()
        await until(lambda: any(isinstance(event, StoreOpened) for event in heard))
        added = await afterwards.add(task)
        assert (await afterwards.wait(added.id, timeout=timedelta(seconds=10))).state == "done"
    assert not any(isinstance(event, LoopFailed) for event in heard)
    assert sorted(unusable_for(heard)) == ["add", "claim", "rescue"], "each says it once"


def unusable_for(heard: list[Event]) -> list[str]:
    return [event.doing for event in heard if isinstance(event, StoreAway) and isinstance(event.error, StoreUnusable)]


async def test_a_store_that_comes_late_is_opened_said_and_worked_on(tmp_path: Path) -> None:
    heard: list[Event] = []
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'missing' / 'tasks.db'}", add_timeout=0.2)
    afterwards.hear(heard.append)
    async with afterwards.opened(worker=True):
        assert [type(event) for event in heard] == [StoreAway]
        with pytest.raises(StoreUnavailable):
            await afterwards.add(task)
        assert [event.doing for event in heard if isinstance(event, StoreAway)][-1] == "add"
        (tmp_path / "missing").mkdir()
        await until(lambda: any(isinstance(event, StoreOpened) for event in heard))
        added = await afterwards.add(task)
        assert (await afterwards.wait(added.id, timeout=timedelta(seconds=10))).state == "done"
        await until(lambda: StoreBack(doing="claim") in heard)
    assert sum(isinstance(event, StoreOpened) for event in heard) == 1


async def test_a_locked_file_makes_the_loops_speak_once_and_recover(tmp_path: Path) -> None:
    heard: list[Event] = []
    path = tmp_path / "tasks.db"
    afterwards = Afterwards(url=f"sqlite:///{path}", add_timeout=0.2, lease=1.0)
    afterwards.hear(heard.append)
    async with afterwards.opened(worker=True):
        first = await afterwards.add(task)
        await afterwards.wait(first.id, timeout=10)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="write lock"):
            await afterwards.add(task)
        await until(lambda: any(isinstance(event, StoreAway) and event.doing == "rescue" for event in heard))
        connection.execute("ROLLBACK")
        connection.close()
        second = await afterwards.add(task)
        assert (await afterwards.wait(second.id, timeout=10)).state == "done"
        await until(lambda: StoreBack(doing="rescue") in heard)
    assert len(await finished(afterwards)) == 2, "what was refused was not stored"


async def finished(afterwards: Afterwards) -> list[object]:
    async with afterwards.opened():
        return list(await afterwards.find())


async def test_a_script_without_an_app_is_not_told_that_nobody_works(tmp_path: Path) -> None:
    heard: list[Event] = []
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}")
    afterwards.hear(heard.append)
    await afterwards.add(task)
    assert not any(isinstance(event, NobodyWorks) for event in heard)
    await afterwards.house.close()
