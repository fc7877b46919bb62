"""Finding tasks."""

from __future__ import annotations

import pytest

from afterwards.ids import new_id
from afterwards.outcomes import Ending, done
from afterwards.tasks import Call, Search, State, TaskId, WorkerId
from tests.contract.builders import (
    TimedStore,
    a_call,
    a_running_task,
    ids_of,
    outcome,
    some_calls,
)


async def test_the_newest_comes_first(store: TimedStore):
    calls = some_calls(5)
    for call in calls:
        await store.add([call])
    assert ids_of(await store.find(Search(), limit=10)) == ids_of(calls[::-1])


async def test_no_more_than_the_limit_are_found(store: TimedStore):
    calls = some_calls(5)
    await store.add(calls)
    assert ids_of(await store.find(Search(), limit=2)) == ids_of(calls[:2:-1])
    assert await store.find(Search(), limit=0) == []


async def test_pages_follow_each_other_without_gap_or_repetition(store: TimedStore):
    calls = some_calls(7)
    await store.add(calls)
    found: list[TaskId] = []
    while page := await store.find(Search(), limit=3, after=found[-1] if found else None):
        found += ids_of(page)
    assert found == ids_of(calls[::-1])


async def test_a_page_after_a_task_that_is_gone_is_empty(store: TimedStore):
    await store.add(some_calls(3))
    assert await store.find(Search(), limit=3, after=new_id()) == []


async def one_in_each_state(store: TimedStore, worker: WorkerId) -> dict[State, TaskId]:
    tasks = [await a_running_task(store, worker) for _ in range(4)]
    for task, ending in zip(tasks, (Ending.DONE, Ending.FAILED, Ending.CANCELLED), strict=False):
        await store.settle([outcome(task.claim, ending)])
    waiting = a_call()
    await store.add([waiting])
    states = (State.DONE, State.FAILED, State.CANCELLED, State.RUNNING, State.WAITING)
    return dict(zip(states, [*ids_of(tasks), waiting.id], strict=True))


@pytest.mark.parametrize("state", State)
async def test_tasks_are_found_by_their_state(store: TimedStore, worker: WorkerId, state: State):
    ids = await one_in_each_state(store, worker)
    assert ids_of(await store.find(Search(state=state), limit=10)) == [ids[state]]
    assert ids_of(await store.find(Search(state=state, ids=tuple(ids.values())), limit=10)) == [ids[state]]
    assert await store.find(Search(state=state, queue="other"), limit=10) == []
    assert await store.find(Search(state=state), limit=10, after=ids[state]) == []


@pytest.fixture
async def mixed(store: TimedStore) -> list[Call]:
    calls = [a_call(name=name, queue=queue) for name in ("a:f", "b:f") for queue in ("mail", "slow")]
    await store.add(calls)
    return calls


async def test_tasks_are_found_by_queue_and_name(store: TimedStore, mixed: list[Call]):
    assert ids_of(await store.find(Search(queue="mail"), limit=10)) == [mixed[2].id, mixed[0].id]
    assert ids_of(await store.find(Search(name="b:f"), limit=10)) == [mixed[3].id, mixed[2].id]
    assert ids_of(await store.find(Search(name="b:f", queue="mail", state=State.WAITING), limit=10)) == [mixed[2].id]
    assert await store.find(Search(name="c:f"), limit=10) == []


async def test_tasks_are_found_by_their_ids_and_unknown_ids_are_passed_over(store: TimedStore, mixed: list[Call]):
    ids = (mixed[0].id, new_id(), mixed[3].id)
    assert ids_of(await store.find(Search(ids=ids), limit=10)) == [mixed[3].id, mixed[0].id]
    assert ids_of(await store.find(Search(ids=ids, name="a:f"), limit=10)) == [mixed[0].id]
    assert await store.find(Search(ids=()), limit=10) == []


async def test_what_is_found_is_what_was_claimed(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    assert await store.find(Search(), limit=10) == [running]
    await store.settle([done(running.claim)])
    [task] = await store.find(Search(), limit=10)
    assert (task.run, task.attempt, task.id) == (1, 1, running.id)
