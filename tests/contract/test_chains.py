"""Chains and groups: a step waits until all that it needs have ended, and starts if all of them are done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from afterwards.outcomes import Ending, done
from afterwards.tasks import Call, Hold, Search, State, Task, WorkerId
from afterwards.turns import UNMET
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    SECOND,
    TimedStore,
    a_call,
    a_chain,
    a_group,
    a_running_task,
    claim_all,
    crash,
    end_all,
    ids_of,
    linked,
    outcome,
    sign_on,
    some_calls,
    the_task,
)


async def states_of(store: TimedStore, calls: Sequence[Call]) -> list[State]:
    states = await store.states(ids_of(calls))
    return [states[call.id] for call in calls]


async def end(store: TimedStore, tasks: Sequence[Task], ending: Ending = Ending.DONE) -> None:
    settled = await store.settle([outcome(task.claim, ending) for task in tasks])
    assert len(settled.held) == len(tasks)


# Steps one after another


async def test_a_step_waits_for_the_one_before_it(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    for call in chain:
        [task] = await claim_all(store, worker)
        assert (task.id, task.link, task.attempt) == (call.id, call.link, 1)
        await end_all(store, [task])
    assert await states_of(store, chain) == [State.DONE] * 3


async def test_a_waiting_step_says_what_it_waits_for(store: TimedStore):
    await store.add(chain := a_chain(2))
    task = await the_task(store, chain[1].id)
    assert (task.state, task.held, task.after) == (State.WAITING, Hold.AFTER, chain[0].id)
    assert (await store.census()).held == {Hold.AFTER: 1}


async def test_the_settler_has_the_next_step_at_once(store: TimedStore, worker: WorkerId):
    chain = a_chain(2)
    first, second = await store.add(chain, claimed_by=worker)
    assert (first.claimed is not None, second.claimed) == (True, None)
    assert first.claimed is not None
    settled = await store.settle([done(first.claimed.claim, result="1")], claimed_by=worker)
    assert ids_of(settled.claimed) == [chain[1].id]
    assert settled.claimed[0].link == chain[1].link


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.AGAIN, Ending.RETURNED, Ending.UNKNOWN])
async def test_a_try_that_is_not_the_last_is_no_end(store: TimedStore, worker: WorkerId, ending: Ending):
    await store.add(chain := a_chain(2))
    await end(store, await claim_all(store, worker), ending)
    assert (await the_task(store, chain[1].id)).held is Hold.AFTER


async def test_a_crash_is_no_end(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(2))
    await crash(store, chain[0].id)
    assert (await the_task(store, chain[1].id)).held is Hold.AFTER
    await end_all(store, await claim_all(store, worker))
    assert ids_of(await claim_all(store, worker)) == [chain[1].id]


async def test_a_step_that_is_due_later_waits_for_that_too(store: TimedStore, worker: WorkerId):
    first, second = a_chain(2)
    await store.add([first, replace(second, delay=HOUR)])
    await end_all(store, await claim_all(store, worker))
    assert await claim_all(store, worker) == []
    store.clock_offset += HOUR
    assert ids_of(await claim_all(store, worker)) == [second.id]


async def test_adding_a_chain_again_changes_nothing(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(2))
    [task] = await claim_all(store, worker)
    await store.add(chain)
    await end_all(store, [task])
    await store.add(chain)
    assert ids_of(await claim_all(store, worker)) == [chain[1].id]


async def test_a_chain_that_a_task_adds_is_stored_with_its_end(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.settle([done(task.claim, calls=tuple(chain := a_chain(2)))])
    [first] = await claim_all(store, worker)
    assert first.id == chain[0].id
    await end_all(store, [first])
    assert ids_of(await claim_all(store, worker)) == [chain[1].id]


# Groups


async def test_what_needs_a_group_waits_for_all_of_it(store: TimedStore, worker: WorkerId):
    await store.add(group := a_group(4))
    members = await claim_all(store, worker)
    assert ids_of(members) == ids_of(group[:4])
    for place in (1, 3, 0):
        await end_all(store, [members[place]])
        assert await claim_all(store, worker) == []
    await end_all(store, [members[2]])
    assert ids_of(await claim_all(store, worker)) == [group[4].id]


async def test_a_group_that_ends_in_one_write_frees_what_needs_it(store: TimedStore, worker: WorkerId):
    await store.add(group := a_group(4))
    settled = await store.settle([done(task.claim) for task in await claim_all(store, worker)], claimed_by=worker)
    assert ids_of(settled.claimed) == [group[4].id]


async def test_many_may_need_one(store: TimedStore, worker: WorkerId):
    await store.add(calls := linked(some_calls(4), [[], [0], [0], [1, 2]]))
    await end_all(store, await claim_all(store, worker))
    middle = await claim_all(store, worker)
    assert ids_of(middle) == ids_of(calls[1:3])
    await end_all(store, middle)
    assert ids_of(await claim_all(store, worker)) == [calls[3].id]


async def test_members_that_are_settled_side_by_side_leave_nobody_waiting(store: TimedStore, worker: WorkerId):
    groups = [a_group(10) for _ in range(10)]
    await store.add([call for group in groups for call in group])
    members = await claim_all(store, worker)
    assert len(members) == 100
    await asyncio.gather(*(store.settle([done(task.claim)]) for task in members))
    assert sorted(ids_of(await claim_all(store, worker))) == sorted(group[-1].id for group in groups)


async def test_the_first_step_may_stand_in_a_line(store: TimedStore, worker: WorkerId):
    first, second = a_chain(2)
    await store.add([former := a_call(), replace(first, after=former.id), second])
    [task] = await claim_all(store, worker)
    await store.settle([outcome(task.claim, Ending.RETRIED, delay=HOUR)])
    [task] = await claim_all(store, worker)
    assert task.id == first.id
    await end_all(store, [task])
    assert ids_of(await claim_all(store, worker)) == [second.id]


async def test_a_line_goes_on_behind_a_step(store: TimedStore, worker: WorkerId):
    chain = a_chain(2)
    await store.add([*chain, call := a_call(after=chain[1].id)])
    await end(store, await claim_all(store, worker), Ending.FAILED)
    assert ids_of(await claim_all(store, worker)) == [call.id]


# When a step is not done


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.CANCELLED])
async def test_what_needs_a_step_that_is_not_done_never_starts(store: TimedStore, worker: WorkerId, ending: Ending):
    await store.add(chain := a_chain(3))
    await end(store, await claim_all(store, worker), ending)
    assert await claim_all(store, worker) == []
    for former, call in pairwise(chain):
        task = await the_task(store, call.id)
        assert (task.state, task.held, task.attempt) == (State.CANCELLED, None, 0)
        assert task.ended is not None
        assert task.error is not None
        assert (task.error.kind, str(former.id) in task.error.message) == (UNMET, True)


async def test_a_long_chain_ends_at_once(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(1500))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    assert await states_of(store, chain) == [State.FAILED, *[State.CANCELLED] * 1499]


async def test_what_needs_a_step_that_is_given_up_in_this_write_is_given_up_with_it(
    store: TimedStore, worker: WorkerId
):
    await store.add(calls := linked(some_calls(4), [[], [], [1], [2, 0]]))
    first, second = await claim_all(store, worker)
    assert (await the_task(store, calls[3].id)).after == calls[0].id
    await store.settle([done(first.claim), outcome(second.claim, Ending.FAILED)])
    assert await states_of(store, calls) == [State.DONE, State.FAILED, State.CANCELLED, State.CANCELLED]


async def test_a_cancelled_step_ends_what_needs_it(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(4))
    assert await store.cancel([chain[1].id]) == [chain[1].id]
    assert await states_of(store, chain) == [State.WAITING, *[State.CANCELLED] * 3]
    await end_all(store, await claim_all(store, worker))
    assert await claim_all(store, worker) == []


async def test_a_whole_chain_is_cancelled(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    await store.cancel(ids_of(chain))
    assert await states_of(store, chain) == [State.CANCELLED] * 3
    assert await claim_all(store, worker) == []


async def test_poison_ends_what_needs_it(store: TimedStore):
    await store.add(chain := a_chain(2, crashes=0))
    await crash(store, chain[0].id)
    assert await states_of(store, chain) == [State.FAILED, State.CANCELLED]


async def test_a_worker_that_signs_off_ends_what_was_asked_to_stop_and_what_needs_it(
    store: TimedStore, worker: WorkerId
):
    await store.add(chain := a_chain(2))
    await claim_all(store, worker)
    await store.cancel([chain[0].id])
    await store.sign_off(worker)
    assert await states_of(store, chain) == [State.CANCELLED] * 2


async def test_a_group_is_heard_out_before_what_needs_it_is_given_up(store: TimedStore, worker: WorkerId):
    await store.add(group := a_group(3))
    members = await claim_all(store, worker)
    await end(store, members[:1], Ending.FAILED)
    assert (await the_task(store, group[3].id)).held is Hold.AFTER
    await end_all(store, members[1:])
    task = await the_task(store, group[3].id)
    assert task.state is State.CANCELLED
    assert task.error is not None
    assert str(group[0].id) in task.error.message


@pytest.mark.parametrize("ending", [Ending.DONE, Ending.FAILED, Ending.CANCELLED])
async def test_a_step_that_starts_anyway_starts_anyway(store: TimedStore, worker: WorkerId, ending: Ending):
    await store.add(calls := linked(some_calls(3), [[], [0], [1]], anyway=[2]))
    await end(store, await claim_all(store, worker), ending)
    if ending is Ending.DONE:
        await end_all(store, await claim_all(store, worker))
    assert ids_of(await claim_all(store, worker)) == [calls[2].id]


async def test_the_settler_has_a_step_that_starts_anyway_behind_one_that_does_not(store: TimedStore, worker: WorkerId):
    calls = linked(some_calls(3), [[], [0], [1]], anyway=[2])
    first, *_ = await store.add(calls, claimed_by=worker)
    assert first.claimed is not None
    settled = await store.settle([outcome(first.claimed.claim, Ending.FAILED)], claimed_by=worker)
    assert ids_of(settled.claimed) == [calls[2].id]


async def test_a_step_that_starts_anyway_waits_for_all_the_same(store: TimedStore, worker: WorkerId):
    await store.add(calls := linked(some_calls(3), [[], [], [0, 1]], anyway=[2]))
    first, second = await claim_all(store, worker)
    await end(store, [second], Ending.FAILED)
    assert (await the_task(store, calls[2].id)).held is Hold.AFTER
    await end(store, [first], Ending.FAILED)
    assert ids_of(await claim_all(store, worker)) == [calls[2].id]


# Retrying


async def test_retrying_what_failed_lets_the_rest_wait_again(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(4))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    assert await store.retry([chain[0].id]) == [chain[0].id]
    for place, call in enumerate(chain):
        task = await the_task(store, call.id)
        assert (task.state, task.error, task.ended) == (State.WAITING, None, None)
        assert task.held is (Hold.AFTER if place else None)
    for call in chain:
        [task] = await claim_all(store, worker)
        assert task.id == call.id
        await end_all(store, [task])


async def test_a_long_chain_waits_again_at_once(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(1500))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    await store.retry([chain[0].id])
    assert await states_of(store, chain) == [State.WAITING] * 1500
    assert ids_of(await claim_all(store, worker)) == [chain[0].id]


async def test_a_step_that_a_person_cancelled_stays_so(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    await store.cancel([chain[1].id])
    await end(store, await claim_all(store, worker), Ending.FAILED)
    await store.retry([chain[0].id])
    assert await states_of(store, chain) == [State.WAITING, State.CANCELLED, State.CANCELLED]
    assert await store.retry([chain[1].id]) == [chain[1].id]
    assert await states_of(store, chain) == [State.WAITING] * 3
    assert (await the_task(store, chain[1].id)).held is Hold.AFTER
    [task] = await claim_all(store, worker)
    assert task.id == chain[0].id


async def test_what_needs_two_that_failed_waits_again_when_both_were_retried(store: TimedStore, worker: WorkerId):
    await store.add(group := a_group(2))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    assert await store.retry(ids_of(group[:2])) == ids_of(group[:2])
    assert (await the_task(store, group[2].id)).held is Hold.AFTER
    await end_all(store, await claim_all(store, worker))
    assert ids_of(await claim_all(store, worker)) == [group[2].id]


async def test_one_of_two_that_was_retried_and_ended_well_is_not_needed_any_more(store: TimedStore, worker: WorkerId):
    await store.add(group := a_group(2))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    await store.retry([group[0].id])
    await end_all(store, await claim_all(store, worker))
    assert (await the_task(store, group[2].id)).state is State.CANCELLED
    await store.retry([group[1].id])
    await end_all(store, await claim_all(store, worker))
    assert ids_of(await claim_all(store, worker)) == [group[2].id]


async def test_a_step_that_is_retried_with_what_it_needs_waits_for_that_in_whichever_order(
    store: TimedStore, worker: WorkerId
):
    await store.add(calls := linked(some_calls(2), [[], [0]], anyway=[1]))
    for _ in calls:
        await end(store, await claim_all(store, worker), Ending.FAILED)
    assert sorted(await store.retry([calls[1].id, calls[0].id])) == sorted(ids_of(calls))
    assert ids_of(await claim_all(store, worker)) == [calls[0].id]
    assert (await the_task(store, calls[1].id)).held is Hold.AFTER


async def test_a_step_whose_need_is_not_done_cannot_be_retried_alone(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(2))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    assert await store.retry([chain[1].id]) == []
    assert (await the_task(store, chain[1].id)).state is State.CANCELLED


async def test_a_whole_chain_is_retried(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    assert chain[0].id in await store.retry(ids_of(chain))
    assert await states_of(store, chain) == [State.WAITING] * 3
    assert ids_of(await claim_all(store, worker)) == [chain[0].id]


async def test_a_done_step_is_retried_alone(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(2))
    for _ in chain:
        await end_all(store, await claim_all(store, worker))
    assert await store.retry([chain[1].id]) == [chain[1].id]
    await end_all(store, await claim_all(store, worker))
    await store.retry([chain[0].id])
    await end_all(store, await claim_all(store, worker))
    assert await states_of(store, chain) == [State.DONE] * 2


# Age, and other stores


async def test_a_chain_is_not_pruned_before_all_of_it_has_ended(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    await end_all(store, await claim_all(store, worker))
    store.clock_offset += HOUR
    assert await store.prune(older_than=SECOND, limit=EVERYTHING) == 0
    for _ in range(2):
        await end_all(store, await claim_all(store, worker))
    store.clock_offset += HOUR
    assert await store.prune(older_than=SECOND, limit=EVERYTHING) == len(chain)


async def test_nothing_of_a_chain_is_deleted_before_all_of_it_has_ended(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(2))
    await end_all(store, await claim_all(store, worker))
    assert await store.delete([chain[0].id]) == []
    await end_all(store, await claim_all(store, worker))
    assert await store.delete(ids_of(chain)) == ids_of(chain)
    assert await store.states(ids_of(chain)) == {}


async def test_only_steps_that_match_are_retried(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    await store.cancel([chain[1].id])
    assert await store.retry(ids_of(chain), matching=Search(state=State.FAILED)) == []
    assert await store.retry(ids_of(chain), matching=Search(state=State.CANCELLED)) == [chain[1].id]
    assert await states_of(store, chain) == [State.WAITING] * 3


async def test_a_step_whose_need_was_pruned_cannot_be_retried(store: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(2))
    await end(store, await claim_all(store, worker), Ending.FAILED)
    store.clock_offset += HOUR
    await store.prune(older_than=SECOND, limit=1)
    left = [call.id for call in chain if call.id in await store.states(ids_of(chain))]
    assert len(left) == 1
    assert await store.retry(left) == [one for one in left if one == chain[0].id]


async def test_a_chain_goes_to_another_store(store: TimedStore, other: TimedStore, worker: WorkerId):
    await store.add(chain := a_chain(3))
    tasks = await store.hand_over(limit=EVERYTHING)
    assert [task.link for task in tasks] == [call.link for call in chain]
    assert await other.receive(tasks[:1]) == [chain[0].id]
    assert await store.forget([chain[0].id]) == [chain[0].id]
    assert (await the_task(store, chain[1].id)).held is Hold.AFTER
    there = await sign_on(other)
    await end_all(other, await claim_all(other, there))
    assert await other.receive(tasks[1:]) == ids_of(chain[1:])
    assert await store.forget(ids_of(chain[1:])) == ids_of(chain[1:])
    for call in chain[1:]:
        [task] = await claim_all(other, there)
        assert (task.id, task.link) == (call.id, call.link)
        await end_all(other, [task])


async def test_what_was_retried_and_comes_again_is_no_end_in_another_store(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    await store.add(chain := a_chain(2))
    await end(store, await claim_all(store, worker), Ending.RETRIED)
    await other.receive(await store.hand_over(limit=EVERYTHING))
    there = await sign_on(other)
    assert ids_of(await claim_all(other, there)) == [chain[0].id]
    assert (await the_task(other, chain[1].id)).held is Hold.AFTER


async def test_a_need_that_failed_before_the_rest_came_ends_it(store: TimedStore, other: TimedStore):
    await store.add(chain := a_chain(3))
    tasks = await store.hand_over(limit=EVERYTHING)
    await other.receive(tasks[:1])
    there = await sign_on(other)
    await end(other, await claim_all(other, there), Ending.FAILED)
    await other.receive(tasks[1:])
    assert await states_of(other, chain) == [State.FAILED, State.CANCELLED, State.CANCELLED]


# Limits, queues, waking


async def test_a_freed_step_wakes_a_worker(store: TimedStore, worker: WorkerId):
    await store.add(a_chain(2))
    [task] = await claim_all(store, worker)
    waiting = asyncio.ensure_future(store.wait(worker, timeout=20, suspects=True))
    await asyncio.sleep(0.1)
    await end_all(store, [task])
    async with asyncio.timeout(5):
        await waiting


async def test_steps_may_stand_in_different_queues(store: TimedStore, worker: WorkerId):
    first, second = a_chain(2)
    await store.add([first, replace(second, queue="slow")])
    only = await sign_on(store, "only default", queues=("default",))
    settled = await store.settle([done(task.claim) for task in await claim_all(store, only)], claimed_by=only)
    assert settled.claimed == []
    assert ids_of(await claim_all(store, worker)) == [second.id]


async def test_a_chain_of_another_does_not_move(store: TimedStore, worker: WorkerId):
    await store.add([*(one := a_chain(2)), *(other := a_chain(2))])
    tasks = {task.id: task for task in await claim_all(store, worker)}
    await end(store, [tasks[one[0].id]], Ending.FAILED)
    await end_all(store, [tasks[other[0].id]])
    assert ids_of(await claim_all(store, worker)) == [other[1].id]


async def test_what_is_not_a_chain_is_left_alone(store: TimedStore, worker: WorkerId):
    await store.add([call := a_call()])
    task = await the_task(store, call.id)
    assert task.link is None
    await end_all(store, await claim_all(store, worker))
    store.clock_offset += timedelta(days=1)
    assert await store.prune(older_than=SECOND, limit=EVERYTHING) == 1
