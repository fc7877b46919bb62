"""Retrying, cancelling and deleting only what still matches: others may have steered it since it was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from afterwards.outcomes import Ending
from afterwards.tasks import Failure, Search, State, WorkerId
from tests.contract.builders import TimedStore, a_call, a_running_task, outcome, the_task


@pytest.mark.parametrize(
    "search",
    [
        {},
        {"state": State.FAILED},
        {"queue": "mail"},
        {"name": "tests:other"},
        {"error": "Oops"},
        {"error": "m.Oops"},
        {"key": "k"},
        {"state": State.FAILED, "queue": "mail", "name": "tests:other", "error": "Oops", "key": "k"},
    ],
)
@pytest.mark.parametrize("verb", ["retry", "delete"])
async def test_of_ended_tasks_those_that_match(store: TimedStore, worker: WorkerId, verb: str, search: dict[str, Any]):
    one = await a_running_task(store, worker, queue="mail", name="tests:other", key="k")
    other = await a_running_task(store, worker, key="K")
    oops, alas = (Failure(kind=kind, message="it went wrong") for kind in ("m.Oops", "m.Alas"))
    await store.settle(
        [outcome(one.claim, Ending.FAILED, error=oops), outcome(other.claim, Ending.CANCELLED, error=alas)]
    )
    ids = [one.id, other.id]
    steer = getattr(store, verb)
    assert await steer(ids, matching=replace(Search(), **search, added_before=one.added)) == []
    assert await steer(ids, matching=replace(Search(), **search)) == (ids[:1] if search else ids)


@pytest.mark.parametrize(
    "search", [{}, {"state": State.RUNNING}, {"queue": "mail"}, {"name": "tests:other"}, {"key": "k"}]
)
async def test_of_unfinished_tasks_those_that_match(store: TimedStore, worker: WorkerId, search: dict[str, Any]):
    running = await a_running_task(store, worker, queue="mail", name="tests:other", key="k")
    await store.add([waiting := a_call()])
    ids = [waiting.id, running.id]
    assert await store.cancel(ids, matching=replace(Search(), **search, error="Oops")) == []
    assert await store.cancel(ids, matching=replace(Search(), **search)) == (ids[1:] if search else ids)
    assert (await the_task(store, waiting.id)).state is (State.WAITING if search else State.CANCELLED)


async def test_what_somebody_else_has_retried_and_is_done_is_left_alone(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.FAILED)])
    assert await store.retry([running.id], matching=Search(state=State.FAILED)) == [running.id]
    [again] = await store.claim(worker, limit=1, suspects=True)
    await store.settle([outcome(again.claim, Ending.DONE)])
    for steer in (store.retry, store.delete):
        assert await steer([running.id], matching=Search(state=State.FAILED)) == []
    assert (await the_task(store, running.id)).state is State.DONE


async def test_a_twin_names_the_task_that_is_to_match(store: TimedStore):
    await store.add([a_call(key="k")])
    await store.add([twin := a_call(key="k")])
    assert await store.cancel([twin.id], matching=Search(key="other")) == []
    assert await store.cancel([twin.id], matching=Search(key="k", ids=())) == [twin.id], "of these, not of those"
