"""Following a search to its end, by ids alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest

from afterwards.ids import new_id
from afterwards.outcomes import Ending, done
from afterwards.tasks import Bookmark, Failure, Search, State, TaskId, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    TimedStore,
    a_call,
    a_running_task,
    claim_all,
    end_all,
    ids_of,
    outcome,
    some_calls,
)

ENDED = (State.DONE, State.FAILED, State.CANCELLED)


async def all_sought(
    store: TimedStore,
    search: Search | None = None,
    *,
    states: Collection[State] = tuple(State),
    limit: int = EVERYTHING,
) -> list[TaskId]:
    found: list[TaskId] = []
    bookmark: Bookmark | None = None
    while True:
        sought = await store.seek(search or Search(), states=states, limit=limit, bookmark=bookmark)
        assert len(sought.ids) <= limit
        found, bookmark = found + sought.ids, sought.next
        if bookmark is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_pages_follow_each_other_without_gap_or_repetition(store: TimedStore, limit: int):
    calls = some_calls(7)
    await store.add(calls)
    assert await all_sought(store, limit=limit) == ids_of(calls[::-1])


async def test_nothing_is_sought_without_a_limit_a_state_or_an_id(store: TimedStore):
    await store.add([a_call()])
    assert (await store.seek(Search(), states=tuple(State), limit=0)).ids == []
    assert await all_sought(store, states=()) == []
    assert await all_sought(store, Search(ids=())) == []
    assert await all_sought(store, Search(state=State.DONE), states=(State.WAITING,)) == []


async def one_in_each_state(store: TimedStore, worker: WorkerId) -> dict[State, TaskId]:
    tasks = [await a_running_task(store, worker, key=f"k{n}") for n in range(4)]
    for task, ending in zip(tasks, (Ending.DONE, Ending.FAILED, Ending.CANCELLED), strict=False):
        error = Failure(kind="m.Oops", message="alas")
        await store.settle([outcome(task.claim, ending, error=error)])
    waiting = a_call()
    await store.add([waiting])
    states = (State.DONE, State.FAILED, State.CANCELLED, State.RUNNING, State.WAITING)
    return dict(zip(states, [*ids_of(tasks), waiting.id], strict=True))


@pytest.mark.parametrize(
    "states", [ENDED, (State.WAITING, State.RUNNING), (State.FAILED,), (State.DONE,), (State.CANCELLED, State.WAITING)]
)
async def test_several_states_are_sought_in_one_order(store: TimedStore, worker: WorkerId, states: tuple[State, ...]):
    ids = await one_in_each_state(store, worker)
    wanted = {ids[state] for state in states}
    newest_first = sorted(wanted, reverse=True)
    for limit in (1, 2, 10):
        assert await all_sought(store, states=states, limit=limit) == newest_first
    assert await all_sought(store, Search(ids=tuple(ids.values())), states=states, limit=1) == newest_first
    with_error = set(ids.values()) - {ids[State.WAITING], ids[State.RUNNING]}
    assert await all_sought(store, Search(error="Oops"), states=states, limit=1) == [
        id for id in newest_first if id in with_error
    ]
    assert await all_sought(store, Search(key="k1"), states=states) == [
        id for id in newest_first if id == ids[State.FAILED]
    ]


async def test_it_goes_on_where_it_was_though_all_that_stood_there_is_gone(store: TimedStore, worker: WorkerId):
    calls = some_calls(6)
    for call in calls:
        await store.add([call])
    first = await store.seek(Search(), states=tuple(State), limit=3)
    assert first.ids == ids_of(calls[:2:-1])
    assert await store.forget(first.ids) == first.ids
    await end_all(store, await claim_all(store, worker))
    store.clock_offset += timedelta(hours=1)
    second = await store.seek(Search(), states=tuple(State), limit=1, bookmark=first.next)
    assert second.ids == [calls[2].id]
    await store.prune(older_than=timedelta(0), limit=10)
    assert (await store.seek(Search(), states=tuple(State), limit=10, bookmark=second.next)).ids == []


async def test_what_comes_meanwhile_is_not_met_and_what_moves_between_states_is_met_once(
    store: TimedStore, worker: WorkerId
):
    await store.add(some_calls(4))
    states = (State.WAITING, State.RUNNING)
    first = await store.seek(Search(), states=states, limit=2)
    await store.add(some_calls(3))
    running = await claim_all(store, worker)
    await store.settle([outcome(task.claim, Ending.RETRIED) for task in running[:1]])
    await store.settle([done(task.claim) for task in running if task.id in first.ids])
    rest = await store.seek(Search(), states=states, limit=10, bookmark=first.next)
    assert len({*first.ids, *rest.ids}) == 4 == len(first.ids) + len(rest.ids)


async def test_a_twin_leads_to_the_task_it_names(store: TimedStore):
    holder, twin = a_call(key="k"), a_call(key="k")
    await store.add([holder])
    await store.add([twin])
    assert await all_sought(store, Search(ids=(twin.id, new_id()))) == [holder.id]
