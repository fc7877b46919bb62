"""Asking for the states of tasks."""

from __future__ import annotations

from afterwards.ids import new_id
from afterwards.outcomes import done
from afterwards.tasks import State, WorkerId
from tests.contract.builders import TimedStore, a_call, a_running_task, ids_of, some_calls


async def test_each_has_its_state_and_unknown_ones_are_left_out(store: TimedStore, worker: WorkerId):
    running, ended = await a_running_task(store, worker), await a_running_task(store, worker)
    await store.settle([done(ended.claim)])
    waiting, cancelled = a_call(), a_call()
    await store.add([waiting, cancelled])
    await store.cancel([cancelled.id])
    assert await store.states([running.id, new_id(), ended.id, waiting.id, cancelled.id]) == {
        running.id: State.RUNNING,
        ended.id: State.DONE,
        waiting.id: State.WAITING,
        cancelled.id: State.CANCELLED,
    }
    assert await store.states([]) == {}


async def test_a_twin_has_the_state_of_the_task_that_it_names(store: TimedStore):
    holder, twin = a_call(key="k"), a_call(key="k")
    await store.add([holder, twin])
    assert await store.states([twin.id]) == {twin.id: State.WAITING}
    assert await store.states([holder.id, twin.id]) == dict.fromkeys([holder.id, twin.id], State.WAITING)


async def test_thousands_are_asked_for_at_once(store: TimedStore):
    calls = some_calls(2_500)
    await store.add(calls)
    assert await store.states(ids_of(calls)) == dict.fromkeys(ids_of(calls), State.WAITING)
