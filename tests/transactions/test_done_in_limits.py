"""A limited task that is settled in a transaction of its own keeps its place until that has been committed."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest

from afterwards import Afterwards
from afterwards.quotas import Quota
from afterwards.tasks import Task, WorkerId
from tests.contract.builders import TimedStore, claim_all, ids_of, sign_on, some_calls
from tests.transactions.kinds import Dealing

ONE_AT_ONCE = (Quota(name="function:tests:work", most=1),)


@pytest.fixture
def store(afterwards: Afterwards) -> TimedStore:
    return cast(TimedStore, afterwards.house.store)


@pytest.fixture
async def worker(store: TimedStore) -> WorkerId:
    return await sign_on(store, quotas=ONE_AT_ONCE)


async def settle(afterwards: Afterwards, task: Task, dealing: Dealing) -> None:
    await dealing.write("Ann")
    await afterwards.house.joining.settle(task.claim, dealing.transaction, took=timedelta(0), progress=None)


async def test_the_commit_lets_the_next_one_through(
    afterwards: Afterwards, store: TimedStore, worker: WorkerId, dealing: Dealing
):
    await store.add(calls := some_calls(2))
    [task] = await claim_all(store, worker)
    assert await claim_all(store, worker) == [], "the other stands before its gate"
    await settle(afterwards, task, dealing)
    await dealing.commit()
    assert ids_of(await claim_all(store, worker)) == [calls[1].id], "at once: nobody has swept"


async def test_a_rollback_leaves_it_in_its_place(
    afterwards: Afterwards, store: TimedStore, worker: WorkerId, dealing: Dealing
):
    await store.add(some_calls(2))
    [task] = await claim_all(store, worker)
    await settle(afterwards, task, dealing)
    await dealing.rollback()
    assert await claim_all(store, worker) == []
    assert await store.claims(worker) == [task.claim]
