"""A task that is settled in a transaction of its own has its effect exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from afterwards import Afterwards, LeaseLost, Retry, State, Task, current_task
from afterwards.events import Event, FailedAfterDone, ResultsDropped
from afterwards.options import CallOptions
from tests.contract.builders import TimedStore
from tests.transactions import settling
from tests.transactions.conftest import new_file, people_in
from tests.transactions.kinds import AWAITED, KINDS, SYNCHRONOUS, Dealing
from tests.transactions.settling import (
    Ways,
    commit,
    commit_and_raise,
    commit_and_wait_for_the_follower,
    follow,
    forget_to_commit,
    register,
    register_in_thread,
    roll_back,
    roll_back_and_raise,
)

LEASE = 3  # seconds: a worker that was believed dead signs on anew after a third of it


@pytest.fixture
async def afterwards(url: str) -> AsyncIterator[Afterwards]:
    async with Afterwards(url=url, worker=False, retry=Retry(first=0.01), lease=LEASE).opened() as afterwards:
        yield afterwards


@pytest.fixture
def ways(kind: str, url: str) -> Iterator[Ways]:
    settling.ways[:] = [Ways(url, KINDS[kind], [commit])]
    yield settling.ways[0]
    settling.ways.clear()


@pytest.fixture
def heard(afterwards: Afterwards) -> list[Event]:
    heard: list[Event] = []
    afterwards.hear(heard.append, FailedAfterDone, ResultsDropped)
    return heard


async def run(afterwards: Afterwards) -> Task:
    """Run the one task, with all its tries, to its end."""
    async with asyncio.timeout(20):
        while True:
            await afterwards.drain()
            [task] = await afterwards.find()
            if task.state.ended:
                return task
            await asyncio.sleep(0.01)


async def test_the_commit_settles_the_task_with_its_effect(
    afterwards: Afterwards, ways: Ways, heard: list[Event], url: str
):
    await afterwards.add(register, "Ann")
    task = await run(afterwards)
    assert (task.state, task.run, task.attempt, task.error) == (State.DONE, 1, 1, None)
    assert task.started is not None
    assert task.ended is not None
    assert task.started <= task.ended
    assert people_in(url) == {"Ann"}
    assert (ways.ran, heard) == (1, [])


async def test_what_the_function_raises_afterwards_is_said_and_changes_nothing(
    afterwards: Afterwards, ways: Ways, heard: list[Event], url: str
):
    ways.then[:] = [commit_and_raise]
    await afterwards.add(register, "Ann")
    task = await run(afterwards)
    assert (task.state, task.error) == (State.DONE, None)
    [event] = heard
    assert isinstance(event, FailedAfterDone)
    assert str(event.error) == "after the commit"
    assert (ways.ran, people_in(url)) == (1, {"Ann"})


@pytest.mark.parametrize(
    ("then", "error"),
    [
        (roll_back_and_raise, "after the rollback"),
        (roll_back, "rolled back, or was not committed"),
        (forget_to_commit, "rolled back, or was not committed"),
    ],
)
async def test_after_a_rollback_the_task_is_not_done_and_is_tried_again(
    afterwards: Afterwards, ways: Ways, heard: list[Event], url: str, then: object, error: str
):
    ways.then[:] = [then, commit]  # type: ignore[list-item]  # one of those in settling.py
    await afterwards.add(register, "Ann")
    await afterwards.drain()
    [task] = await afterwards.find()
    if task.state is State.WAITING:  # else it was due again before the drain looked
        assert task.error is not None
        assert error in task.error.message
        assert people_in(url) == set()
    task = await run(afterwards)
    assert (task.state, task.attempt) == (State.DONE, 2)
    assert (ways.ran, people_in(url), heard) == (2, {"Ann"}, [])


async def test_a_run_whose_lease_was_lost_can_not_settle_and_its_effect_rolls_back(
    afterwards: Afterwards, ways: Ways, url: str
):
    store, seen = cast(TimedStore, afterwards.house.store), []

    async def be_believed_dead() -> None:
        ways.before = None
        [task] = await afterwards.find()
        assert task.worker is not None
        await store.rescue(known_dead=[task.worker], expired=False, limit=10)
        seen.append(task.run)

    raised.clear()
    ways.before = be_believed_dead
    await afterwards.add(register_and_note, "Ann")
    task = await run(afterwards)
    assert task.state is State.DONE
    assert task.run > seen[0]
    assert [type(error) for error in raised] == [LeaseLost]
    assert people_in(url) == {"Ann", "Ann again"}, "what the stale run wrote has rolled back"


raised: list[BaseException] = []


async def register_and_note(name: str) -> None:
    """The first run writes `name` and loses its lease, the second writes another."""
    try:
        await register(name if not settling.ways[0].ran else f"{name} again")
    except LeaseLost as error:
        raised.append(error)
        raise


async def register_after_an_undone_savepoint(name: str) -> None:
    [way] = settling.ways
    async with way.opening(way.url) as dealing:
        await dealing.write(name)
        savepoint = await dealing.savepoint("one")
        await current_task().done_in(dealing.transaction)
        await dealing.undo(savepoint)
        await way.next()(dealing)


async def settle_again_and_commit(dealing: Dealing) -> None:
    await current_task().done_in(dealing.transaction)
    await dealing.commit()


async def find_it_settled_and_commit(dealing: Dealing) -> None:
    with pytest.raises(LeaseLost, match="is settled already"):
        await current_task().done_in(dealing.transaction)
    await dealing.commit()


async def test_a_savepoint_that_is_rolled_back_takes_the_end_of_the_task_with_it(
    afterwards: Afterwards, ways: Ways, url: str
):
    ways.then[:] = [settle_again_and_commit]
    await afterwards.add(register_after_an_undone_savepoint, "Ann")
    task = await run(afterwards)
    assert (task.state, task.attempt, people_in(url)) == (State.DONE, 1, {"Ann"})


async def test_a_second_time_in_one_transaction_says_that_it_is_settled(afterwards: Afterwards, ways: Ways, url: str):
    ways.then[:] = [find_it_settled_and_commit]
    await afterwards.add(register, "Ann")
    task = await run(afterwards)
    assert (task.state, task.attempt, people_in(url)) == (State.DONE, 1, {"Ann"})


async def test_the_commit_frees_who_waits_for_the_task(afterwards: Afterwards, ways: Ways):
    settling.following[:] = [asyncio.Event()]
    ways.then[:] = [commit_and_wait_for_the_follower]
    batch = afterwards.house.batch()
    batch.add(register, ("Ann",), {}, CallOptions())
    batch.add(follow, (), {}, CallOptions())
    await batch.commit(sent=True)
    await afterwards.drain()
    assert [task.state for task in await afterwards.find()] == [State.DONE, State.DONE]


@pytest.mark.parametrize("kind", SYNCHRONOUS)
async def test_a_def_task_is_settled_by_done_in_sync(afterwards: Afterwards, ways: Ways, heard: list[Event], url: str):
    ways.then[:] = [roll_back, commit]
    await afterwards.add(register_in_thread, "Ann")
    task = await run(afterwards)
    assert (task.state, task.attempt) == (State.DONE, 2)
    assert (people_in(url), heard) == ({"Ann"}, [])


@pytest.mark.parametrize("kind", AWAITED)
async def test_a_transaction_that_is_awaited_is_told_how_by_done_in_sync(afterwards: Afterwards, ways: Ways):
    await afterwards.using(retry=Retry.never).add(register_in_thread, "Ann")
    task = await run(afterwards)
    assert task.error is not None
    assert "await current_task().done_in(" in task.error.message


@pytest.mark.parametrize("kind", ["SQLite Session", "SQLite AsyncSession", "SQLite sqlite3", "SQLite aiosqlite"])
async def test_a_transaction_on_another_database_settles_nothing(afterwards: Afterwards, ways: Ways, tmp_path):
    ways.url = new_file(tmp_path / "other.db")
    await afterwards.using(retry=Retry.never).add(register, "Ann")
    task = await run(afterwards)
    assert task.state is State.FAILED
    assert task.error is not None
    assert task.error.kind.endswith("CannotJoinTransaction")
