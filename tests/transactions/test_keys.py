"""A key that is taken in a transaction of the user's is held if that commits, and never otherwise."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from afterwards import Afterwards, State, StoreUnavailable
from tests.contract.builders import claim_all, sign_on
from tests.transactions.kinds import KINDS, Dealing
from tests.transactions.tasks import greet
from tests.transactions.test_commit import names_stored

POSTGRES = pytest.mark.parametrize("kind", ["PostgreSQL asyncpg", "PostgreSQL Session"])


async def add(afterwards: Afterwards, dealing: Dealing, name: str, key: str = "k") -> object:
    handle = await afterwards.using(transaction=dealing.transaction, key=key, unique_for=60).add(greet, name)
    return handle.id


async def test_a_key_is_taken_by_the_commit(afterwards: Afterwards, dealing: Dealing):
    id = await add(afterwards, dealing, "Ann")
    await dealing.commit()
    twin = await afterwards.using(key="k").add(greet, "Bob")
    task = await afterwards.get(twin.id)
    assert (task.id, task.key, task.unique_for) == (id, "k", timedelta(minutes=1))
    assert await names_stored(afterwards) == {"Ann"}


async def test_a_rollback_gives_the_key_back(afterwards: Afterwards, dealing: Dealing):
    await add(afterwards, dealing, "Ann")
    await dealing.rollback()
    free = await afterwards.using(key="k").add(greet, "Bob")
    assert (await afterwards.get(free.id)).id == free.id


async def test_a_twin_in_a_transaction_is_another_name_once_that_has_committed(
    afterwards: Afterwards, dealing: Dealing
):
    first = await afterwards.using(key="k").add(greet, "Ann")
    twin = await add(afterwards, dealing, "Bob")
    await add(afterwards, dealing, "Eve", key="other")
    await afterwards.using(transaction=dealing.transaction).add(greet, "Joe")
    await dealing.commit()
    assert (await afterwards.get(twin)).id == first.id  # type: ignore[arg-type]  # an id
    assert await names_stored(afterwards) == {"Ann", "Eve", "Joe"}


async def test_calls_under_one_key_in_one_transaction_are_one_task(afterwards: Afterwards, dealing: Dealing):
    first, twin = await add(afterwards, dealing, "Ann"), await add(afterwards, dealing, "Bob")
    await dealing.commit()
    assert (await afterwards.get(twin)).id == first  # type: ignore[arg-type]  # an id
    assert await names_stored(afterwards) == {"Ann"}


async def test_a_savepoint_that_is_rolled_back_gives_its_key_back(afterwards: Afterwards, dealing: Dealing):
    await dealing.write("Ann")
    undone = await dealing.savepoint("one")
    await add(afterwards, dealing, "undone")
    await dealing.undo(undone)
    await add(afterwards, dealing, "kept")
    await dealing.commit()
    assert await names_stored(afterwards) == {"kept"}


async def test_a_key_is_free_when_its_task_has_ended(afterwards: Afterwards, dealing: Dealing):
    first = await afterwards.using(key="k").add(greet, "Ann")
    await afterwards.cancel(first.id)
    await add(afterwards, dealing, "Bob")
    await dealing.commit()
    assert await names_stored(afterwards) == {"Ann", "Bob"}


async def test_replace_is_refused_in_a_transaction(afterwards: Afterwards, dealing: Dealing):
    with pytest.raises(ValueError, match="cannot wait for a transaction"):
        await afterwards.using(transaction=dealing.transaction, key="k", replace=True).add(greet, "Ann")


@POSTGRES
async def test_a_waiting_holder_runs_after_the_transaction_that_found_it(afterwards: Afterwards, dealing: Dealing):
    first = await afterwards.using(key="k").add(greet, "Ann")
    worker = await sign_on(afterwards.house.store)
    await add(afterwards, dealing, "Bob")
    if hasattr(dealing.transaction, "commit"):  # a Session writes when it commits
        from afterwards.stores import sqlalchemy

        sqlalchemy.hand(dealing.transaction)
        dealing.transaction.begin_nested().commit()
    assert await claim_all(afterwards.house.store, worker) == []
    await dealing.commit()
    assert [task.id for task in await claim_all(afterwards.house.store, worker)] == [first.id]


@pytest.mark.parametrize("kind", ["PostgreSQL asyncpg"])
async def test_a_key_in_an_open_transaction_holds_up_nobody_but_those_under_it(url: str, kind: str):
    async with (
        Afterwards(url=url, worker=False, add_timeout=1.0).opened() as afterwards,
        KINDS[kind](url) as dealing,
    ):
        await add(afterwards, dealing, "Ann")
        waiting = asyncio.create_task(afterwards.using(key="k").add(greet, "Bob"))
        for number in range(20):
            others = afterwards.add(greet, "x"), afterwards.using(key=f"{number}").add(greet, "y")
            async with asyncio.timeout(5):
                await asyncio.gather(*others)
        with pytest.raises(StoreUnavailable, match="waits for itself here"):
            await waiting
        waiting = asyncio.create_task(afterwards.using(key="k").add(greet, "Bob"))
        await dealing.commit()
        assert (await afterwards.get((await waiting).id)).state is State.WAITING
        assert (await afterwards.get((await waiting).id)).arguments == '{"name":"Ann"}'


@pytest.mark.parametrize("kind", ["SQLite sqlite3"])
async def test_a_handler_whose_own_transaction_holds_the_file_is_told_so(url: str, kind: str):
    async with (
        Afterwards(url=url, worker=False, add_timeout=0.3).opened() as afterwards,
        KINDS[kind](url) as dealing,
    ):
        await add(afterwards, dealing, "Ann")
        with pytest.raises(StoreUnavailable, match="waits for itself here"):
            await afterwards.using(key="k").add(greet, "Bob")
        await dealing.commit()
    assert "Bob" not in await names_stored(afterwards)
