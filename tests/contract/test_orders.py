"""Retrying, cancelling and deleting all that match, page by page, beside workers and other people."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, cast

import pytest

from afterwards.outcomes import Ending
from afterwards.steering import Order, carry_out, count
from afterwards.store import Store
from afterwards.tasks import Failure, Hold, Search, State, TaskId, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)

PAGES = 1_200  # tasks: more than two pages of an order
OOPS, ALAS = (Failure(kind=kind, message="it went wrong") for kind in ("m.Oops", "m.Alas"))


async def failures(store: TimedStore, worker: WorkerId, number: int, error: Failure = OOPS) -> list[TaskId]:
    """That many tasks that have failed."""
    calls = some_calls(number)
    await store.add(calls)
    while tasks := await claim_all(store, worker):
        await store.settle([outcome(task.claim, Ending.FAILED, error=error) for task in tasks])
    return ids_of(calls)


async def number_of(store: TimedStore, state: State) -> int:
    return (await store.census()).by_state[state]


async def test_all_that_match_are_retried_and_no_others(store: TimedStore, worker: WorkerId):
    await failures(store, worker, 3, ALAS)
    await failures(store, worker, PAGES)
    await failures(store, worker, 3, ALAS)
    search = Search(state=State.FAILED, error="Oops")
    assert await count(store, Order.RETRY, search) == PAGES
    told: list[tuple[int, int]] = []
    done = await carry_out(store, Order.RETRY, search, tell=lambda looked, ids: told.append((looked, len(ids))))
    assert done == PAGES == sum(looked for looked, _ in told) == sum(changed for _, changed in told)
    assert len(told) > 2, "in several writes"
    assert (await number_of(store, State.WAITING), await number_of(store, State.FAILED)) == (PAGES, 6)
    assert await carry_out(store, Order.RETRY, search) == 0


async def test_a_task_that_fails_again_at_once_is_not_retried_twice(store: TimedStore, worker: WorkerId):
    ids = await failures(store, worker, PAGES)
    runs: list[TaskId] = []
    is_over = asyncio.Event()

    async def fail_again() -> None:
        while (tasks := await claim_all(store, worker)) or not is_over.is_set():
            runs.extend(ids_of(tasks))
            await store.settle([outcome(task.claim, Ending.FAILED, error=OOPS) for task in tasks])

    async with asyncio.TaskGroup() as group:
        group.create_task(fail_again())
        assert await carry_out(store, Order.RETRY, Search(state=State.FAILED, error="Oops")) == len(ids)
        is_over.set()
    assert sorted(runs) == sorted(ids), "each once"


class Meddled:
    """A store where somebody does something between the finding of a page and the order."""

    def __init__(self, store: Store, verb: str, meddle: Any) -> None:
        self._store, self._verb, self._meddle = store, verb, meddle

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name != self._verb:
            return real

        async def steer(ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
            await self._meddle(ids)
            return cast("list[TaskId]", await real(ids, matching=matching))

        return steer


@pytest.mark.parametrize("order", [Order.RETRY, Order.DELETE])
async def test_what_somebody_else_has_retried_meanwhile_is_left_alone_and_not_counted(
    store: TimedStore, worker: WorkerId, order: Order
):
    ids = await failures(store, worker, 4)

    async def retry_one_which_is_done_soon(_: Sequence[TaskId]) -> None:
        await store.retry([ids[1]])
        await store.settle([outcome(task.claim, Ending.DONE) for task in await claim_all(store, worker)])

    meddled = cast(Store, Meddled(store, order.value, retry_one_which_is_done_soon))
    assert await carry_out(meddled, order, Search(state=State.FAILED)) == 3
    task = await the_task(store, ids[1])
    assert (task.state, task.run) == (State.DONE, 2)


async def test_it_goes_on_behind_what_others_have_removed(store: TimedStore, worker: WorkerId):
    ids = await failures(store, worker, PAGES)

    async def delete_all_that_was_found(found: Sequence[TaskId]) -> None:
        if ids[-1] in found:
            await store.delete(found)

    meddled = cast(Store, Meddled(store, "retry", delete_all_that_was_found))
    done = await carry_out(meddled, Order.RETRY, Search(state=State.FAILED))
    assert 0 < done < PAGES
    assert (await number_of(store, State.WAITING), await number_of(store, State.FAILED)) == (done, 0)


async def test_all_that_wait_or_run_are_cancelled_also_while_they_are_claimed(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(PAGES))
    await store.add([a_call(name="tests:other")])
    other = await sign_on(store, "other")
    claimed: list[TaskId] = []

    async def claim_some(_: Sequence[TaskId]) -> None:
        claimed.extend(ids_of(await store.claim(other, limit=50, suspects=True)))

    meddled = cast(Store, Meddled(store, "cancel", claim_some))
    assert await carry_out(meddled, Order.CANCEL, Search(name="tests:work")) == PAGES
    asked = await store.cancellations(other)
    assert len(asked) + await number_of(store, State.CANCELLED) == PAGES
    assert {claim.id for claim in asked} <= set(claimed)
    assert await number_of(store, State.WAITING) + await number_of(store, State.RUNNING) == len(asked) + 1


async def test_lines_of_which_some_are_cancelled_close_over_those(store: TimedStore, worker: WorkerId):
    head, second, third, last = a_line(4, queue="mail")
    calls = [head, a_call(id=second.id, after=head.id), a_call(id=third.id, after=second.id), last]
    await store.add(calls)
    assert await carry_out(store, Order.CANCEL, Search(queue="default", state=State.WAITING)) == 2
    task = await the_task(store, last.id)
    assert (task.held, task.after) == (Hold.AFTER, head.id)
    assert ids_of(await claim_all(store, worker)) == [head.id]


async def test_whole_lines_are_cancelled(store: TimedStore, worker: WorkerId):
    for _ in range(100):
        await store.add(a_line(3))
    assert await carry_out(store, Order.CANCEL, Search()) == 300
    assert await claim_all(store, worker) == []
    assert await number_of(store, State.CANCELLED) == 300


async def test_all_that_has_ended_is_deleted_and_nothing_else(store: TimedStore, worker: WorkerId):
    await failures(store, worker, PAGES // 2)
    await store.add(some_calls(PAGES // 2))
    tasks = await claim_all(store, worker, limit=EVERYTHING)
    await store.settle([outcome(task.claim, Ending.DONE) for task in tasks])
    running = await a_running_task(store, worker)
    await store.add([waiting := a_call()])
    assert await count(store, Order.DELETE, Search()) == PAGES
    assert await carry_out(store, Order.DELETE, Search(state=State.FAILED)) == PAGES // 2
    assert await carry_out(store, Order.DELETE, Search()) == PAGES // 2
    assert ids_of(await store.find(Search(), limit=EVERYTHING)) == [waiting.id, running.id]


@pytest.mark.parametrize("most", [1, 700])
async def test_no_more_than_are_wanted_are_changed_or_counted(store: TimedStore, worker: WorkerId, most: int):
    ids = await failures(store, worker, PAGES)
    assert await count(store, Order.RETRY, Search(), most=most) == most
    assert await carry_out(store, Order.RETRY, Search(), most=most) == most
    assert await number_of(store, State.WAITING) == most
    assert (await the_task(store, ids[-1])).state is State.WAITING, "the newest"
