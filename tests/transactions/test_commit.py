"""What a transaction commits is stored, and nothing else, whichever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from afterwards import Afterwards, CannotJoinTransaction, Retry, State, Task
from afterwards.how import How
from tests.transactions.conftest import people_in
from tests.transactions.kinds import AWAITED, KINDS, SYNCHRONOUS, Dealing
from tests.transactions.tasks import greet, ran


async def names_stored(afterwards: Afterwards) -> set[str]:
    return {task.arguments.split('"')[-2] for task in await afterwards.find(limit=1000)}


async def test_a_commit_stores_the_task_with_the_users_own_row(afterwards: Afterwards, dealing: Dealing, url: str):
    handle = await afterwards.using(transaction=dealing.transaction).add(greet, "Ann")
    await dealing.write("Ann")
    assert await names_stored(afterwards) == set(), "others see it only once it is committed"
    await dealing.commit()
    assert await names_stored(afterwards) == people_in(url) == {"Ann"}
    assert (await afterwards.get(handle.id)).state is State.WAITING
    await afterwards.drain()
    assert ran == ["Ann"]


async def test_a_rollback_stores_nothing(afterwards: Afterwards, dealing: Dealing, url: str):
    await dealing.write("Ann")
    await afterwards.using(transaction=dealing.transaction).add(greet, "Ann")
    await dealing.rollback()
    assert await names_stored(afterwards) == people_in(url) == set()


async def test_what_is_never_committed_stores_nothing(kind: str, afterwards: Afterwards, url: str):
    async with KINDS[kind](url) as dealing:
        await dealing.write("Ann")
        await afterwards.using(transaction=dealing.transaction).add(greet, "Ann")
    assert await names_stored(afterwards) == people_in(url) == set()


async def test_a_savepoint_that_is_rolled_back_takes_its_tasks_with_it(
    afterwards: Afterwards, dealing: Dealing, url: str
):
    async def register(name: str) -> None:
        await dealing.write(name)
        await afterwards.using(transaction=dealing.transaction).add(greet, name)

    await register("before")
    kept = await dealing.savepoint("one")
    await register("kept")
    await dealing.release(kept)
    undone = await dealing.savepoint("two")
    await register("undone")
    within = await dealing.savepoint("three")
    await register("released into what is undone")
    await dealing.release(within)
    await dealing.undo(undone)
    outer = await dealing.savepoint("four")
    inner = await dealing.savepoint("five")
    await register("inner undone")
    await dealing.undo(inner)
    await register("outer kept")
    await dealing.release(outer)
    await register("after")
    await dealing.commit()
    assert await names_stored(afterwards) == people_in(url) == {"before", "kept", "outer kept", "after"}


async def test_one_transaction_after_another(afterwards: Afterwards, dealing: Dealing):
    for name, ends_well in [("a", True), ("b", False), ("c", True)]:
        await dealing.begin_again()
        await dealing.write(name)
        await afterwards.using(transaction=dealing.transaction).add(greet, name)
        await (dealing.commit() if ends_well else dealing.rollback())
    assert await names_stored(afterwards) == {"a", "c"}


async def test_the_row_is_the_one_that_add_writes(afterwards: Afterwards, dealing: Dealing):
    due = datetime(2031, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    hows: list[How] = [
        {},
        {"delay": timedelta(days=3, seconds=1.5)},
        {"due": due, "queue": "mail", "priority": 9, "retry": Retry(attempts=2, crashes=7)},
        {"due": datetime(9999, 12, 31, tzinfo=UTC), "priority": 0},
        {"delay": timedelta(days=36_500), "timeout": 1.5},
        {"due": due, "deadline": due + timedelta(days=1)},
        {"due": due, "deadline": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
    ]
    for how in hows:
        joined_how: How = {**how, "transaction": dealing.transaction}
        await afterwards.using(**joined_how).add(greet, 'é "%s" :x \\ 💥\n')
    await dealing.commit()
    for how in hows:
        await afterwards.using(**how).add(greet, 'é "%s" :x \\ 💥\n')
    found = await afterwards.find()
    joined, added = found[len(hows) :], found[: len(hows)]
    for how, one, other in zip(reversed(hows), joined, added, strict=True):
        assert columns(one, how) == columns(other, how)


def columns(task: Task, how: Mapping[str, object]) -> dict[str, object]:
    """All but the id and the moment, which is told by the distance of `due` from it."""
    columns = {field.name: getattr(task, field.name) for field in fields(task) if field.name not in ("id", "added")}
    return columns if "due" in how else {**columns, "due": round((task.due - task.added).total_seconds(), 1)}


async def test_the_time_is_the_stores(afterwards: Afterwards, dealing: Dealing):
    store = afterwards.house.store
    store.clock_offset = timedelta(days=400)  # type: ignore[attr-defined]  # of the stores that tests may advance
    await afterwards.using(transaction=dealing.transaction).add(greet, "Ann")
    await dealing.commit()
    await afterwards.add(greet, "Bob")
    bob, ann = await afterwards.find()
    assert abs(bob.added - ann.added) < timedelta(minutes=1)


@pytest.mark.parametrize("kind", SYNCHRONOUS)
async def test_plain_synchronous_code_adds_with_add_sync(afterwards: Afterwards, dealing: Dealing):
    handle = afterwards.using(transaction=dealing.transaction).add_sync(greet, "Ann")
    await dealing.commit()
    assert (await afterwards.get(handle.id)).state is State.WAITING


@pytest.mark.parametrize("kind", AWAITED)
async def test_a_connection_that_is_awaited_is_told_how_by_add_sync(afterwards: Afterwards, dealing: Dealing):
    with pytest.raises(CannotJoinTransaction, match=r"`await afterwards\.using\(transaction=connection\)\.add\("):
        afterwards.using(transaction=dealing.transaction).add_sync(greet, "Ann")
    await dealing.commit()
    assert await afterwards.find() == []


async def test_a_deadline_counts_from_the_storing(afterwards: Afterwards, dealing: Dealing):
    for deadline in (60, timedelta(days=36_500)):
        await afterwards.using(transaction=dealing.transaction, deadline=deadline).add(greet, "Ann")
    await dealing.commit()
    far, near = await afterwards.find()
    assert near.deadline is not None
    assert far.deadline is not None
    assert (near.deadline - near.added, far.deadline - far.added) == (timedelta(minutes=1), timedelta(days=36_500))
