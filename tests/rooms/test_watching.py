"""Many who watch cost the store one look."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from afterwards import watching
from afterwards.errors import StoreUnavailable
from afterwards.ids import new_id
from afterwards.tasks import State, Task, TaskId
from afterwards.watching import Watcher

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Shelf:
    """Tasks that can be found, and how often somebody looked for which."""

    def __init__(self) -> None:
        self.tasks: dict[TaskId, Task] = {}
        self.looks: list[tuple[TaskId, ...]] = []
        self.away = False

    def put(self, state: State = State.WAITING) -> TaskId:
        task = Task(id=new_id(), name="a", arguments="{}", state=state, queue="default", priority=5, due=NOW, added=NOW)
        self.tasks[task.id] = task
        return task.id

    async def find(self, ids: tuple[TaskId, ...]) -> list[Task]:
        self.looks.append(ids)
        if self.away:
            raise StoreUnavailable("away")
        return [self.tasks[id] for id in ids if id in self.tasks]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE", 0.001)


async def first(looks: AsyncGenerator[Task | None]) -> Task | None:
    async with aclosing(looks):
        return await anext(looks)


async def test_all_who_watch_share_a_look():
    shelf = Shelf()
    watcher = Watcher(shelf.find)
    ids = [shelf.put() for _ in range(50)]
    seen = await asyncio.gather(*(first(watcher.follow(id)) for id in ids * 4))
    assert [task.id for task in seen if task] == ids * 4
    assert [set(look) for look in shelf.looks] == [set(ids)], "each once, and all in one look"
    assert watcher.watched == 0


async def test_many_ids_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "AT_ONCE", 20)
    shelf = Shelf()
    watcher = Watcher(shelf.find)
    await asyncio.gather(*(first(watcher.follow(shelf.put())) for _ in range(50)))
    assert [len(look) for look in shelf.looks] == [20, 20, 10]


async def test_when_who_looks_for_all_leaves_another_does():
    shelf = Shelf()
    watcher = Watcher(shelf.find)
    leader = watcher.follow(shelf.put())
    other = watcher.follow(shelf.put())
    looking, waiting = asyncio.ensure_future(anext(leader)), asyncio.ensure_future(anext(other))
    await asyncio.sleep(0)
    looking.cancel()
    assert await waiting is not None
    await asyncio.gather(looking, return_exceptions=True)
    await leader.aclose()
    await other.aclose()
    assert watcher.watched == 0


async def test_a_task_that_is_gone_is_seen_as_none():
    assert await first(Watcher(Shelf().find).follow(new_id())) is None


async def test_while_the_store_is_away_nothing_is_seen_and_then_it_goes_on():
    shelf = Shelf()
    shelf.away = True
    watching = asyncio.ensure_future(first(Watcher(shelf.find).follow(shelf.put())))
    while len(shelf.looks) < 3:
        await asyncio.sleep(0)
    assert not watching.done()
    shelf.away = False
    assert await watching is not None


async def test_a_store_that_takes_long_is_looked_at_less_often():
    shelf = Shelf()
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def slowly(ids: tuple[TaskId, ...]) -> list[Task]:
        times.append(loop.time())
        await asyncio.sleep(0.01)
        return await shelf.find(ids)

    async with aclosing(Watcher(slowly).follow(shelf.put())) as looks:
        await anext(looks)
        await anext(looks)
    assert times[1] - times[0] >= 0.1, "ten times as long as a look takes"
