"""Adding under a key: of the calls of one function under one key, one is a task at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.errors import CannotStore
from afterwards.ids import new_id
from afterwards.outcomes import Ending
from afterwards.retries import Retry
from afterwards.tasks import Call, Hold, Keeps, LogLine, Search, State, TaskId, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    MINUTE,
    SECOND,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    crash,
    end_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)
from tests.contract.conftest import Clock


def keyed(key: str = "k", **options: object) -> Call:
    return a_call(key=key, **options)


async def add(store: TimedStore, *calls: Call) -> list[TaskId]:
    return [added.id for added in await store.add(calls)]


async def stored(store: TimedStore) -> list[TaskId]:
    return ids_of(await store.find(Search(), limit=EVERYTHING))


async def run_and_end(store: TimedStore, worker: WorkerId) -> None:
    await end_all(store, await claim_all(store, worker))


async def test_a_call_under_a_key_is_a_task_that_says_its_key(store: TimedStore, worker: WorkerId):
    call = keyed("süß 🎈", unique_for=HOUR)
    assert await add(store, call) == [call.id]
    [claimed] = await claim_all(store, worker)
    assert (claimed.id, claimed.key, claimed.unique_for) == (call.id, "süß 🎈", HOUR)


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_twin_of_an_unfinished_task_is_not_stored_and_names_it(
    store: TimedStore, worker: WorkerId, is_running: bool
):
    first, twin = keyed(), keyed(arguments='{"n": 2}')
    await store.add([first])
    if is_running:
        await claim_all(store, worker)
    before = await the_task(store, first.id)
    [added] = await store.add([twin], claimed_by=worker)
    assert (added.id, added.claimed) == (first.id, None)
    assert await stored(store) == [first.id]
    assert await the_task(store, twin.id) == before


async def test_a_twin_of_a_task_that_will_be_tried_again_is_not_stored(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k")
    await store.settle([outcome(task.claim, Ending.RETRIED, delay=HOUR)])
    assert await add(store, keyed()) == [task.id]


async def test_a_call_under_a_key_may_be_claimed_by_the_write_that_stores_it(store: TimedStore, worker: WorkerId):
    call = keyed(unique_for=MINUTE)
    [added] = await store.add([call], claimed_by=worker)
    assert added.claimed == await the_task(store, call.id)


@pytest.mark.parametrize("ending", [Ending.DONE, Ending.FAILED, Ending.CANCELLED])
async def test_when_the_task_has_ended_its_key_is_free(store: TimedStore, worker: WorkerId, ending: Ending):
    task = await a_running_task(store, worker, key="k")
    await store.settle([outcome(task.claim, ending)])
    call = keyed()
    assert await add(store, call) == [call.id]
    assert await add(store, keyed()) == [call.id]
    assert (await the_task(store, task.id)).state.ended


async def test_a_cancelled_waiting_task_frees_its_key(store: TimedStore):
    first, second = keyed(), keyed()
    await store.add([first])
    await store.cancel([first.id])
    assert await add(store, second) == [second.id]


async def test_a_key_belongs_to_a_function(store: TimedStore):
    calls = [keyed(), keyed("other"), keyed(name="tests:other")]
    assert await add(store, *calls) == ids_of(calls)


async def test_a_key_is_compared_to_the_letter(store: TimedStore):
    calls = [keyed(key) for key in ("k", "K", "k ", "\u1e31", "k\u0301")]
    assert await add(store, *calls) == ids_of(calls)


async def test_a_key_holds_in_every_queue(store: TimedStore):
    first = keyed(queue="a")
    assert await add(store, first, keyed(queue="b")) == [first.id, first.id]


async def test_calls_under_one_key_in_one_write_are_one_task(store: TimedStore):
    first, twin, other = keyed(), keyed(), keyed("other")
    assert await add(store, first, twin, a_call(), other, keyed("other")) == [
        first.id, first.id, (await stored(store))[1], other.id, other.id,
    ]  # fmt: skip
    assert len(await stored(store)) == 3
    assert (await the_task(store, twin.id)).id == first.id


async def test_of_many_requests_at_once_one_is_stored(store: TimedStore, worker: WorkerId):
    requests = [[keyed(str(key)), a_call()] for key in range(10) for _ in range(10)]
    answers = await asyncio.gather(*(store.add(request, claimed_by=worker) for request in requests))
    assert len({answer[0].id for answer in answers}) == 10
    assert sum(added.claimed is not None for answer in answers for added in answer) == 110
    assert len(await stored(store)) == 110


async def test_a_refused_call_takes_no_key(store: TimedStore):
    with pytest.raises(CannotStore):
        await store.add([keyed(), a_call(priority=99)])
    call = keyed()
    assert await add(store, call) == [call.id]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "half \ud83c"], ids=ascii)
async def test_a_key_that_no_store_can_keep_is_refused(store: TimedStore, key: str):
    with pytest.raises(CannotStore, match="key"):
        await store.add([keyed(key)])
    assert await stored(store) == []


async def test_the_longest_key_of_the_widest_letters_is_kept(store: TimedStore):
    call = keyed("🎈" * 255)
    assert await add(store, call) == [call.id]
    assert await add(store, replace(call, id=new_id())) == [call.id]


# The same ids again


async def test_the_same_calls_sent_again_are_answered_alike(store: TimedStore):
    calls = [keyed(), keyed(), keyed("other")]
    once = await add(store, *calls)
    before = await store.find(Search(), limit=10)
    assert await add(store, *calls) == once
    assert await store.find(Search(), limit=10) == before


async def test_a_call_sent_again_takes_no_key_from_another(store: TimedStore, worker: WorkerId):
    first, second = keyed(), keyed()
    await store.add([first])
    await run_and_end(store, worker)
    await store.add([second])
    assert await add(store, first) == [first.id]
    assert await add(store, keyed()) == [second.id]


async def test_a_twin_sent_again_after_the_end_is_still_that_twin(store: TimedStore, worker: WorkerId):
    first, twin = keyed(), keyed()
    await store.add([first])
    await store.add([twin])
    await run_and_end(store, worker)
    assert await add(store, twin) == [first.id]
    assert await stored(store) == [first.id]


async def test_a_twin_is_found_once_more_by_the_same_id_within_a_write(store: TimedStore):
    first = keyed()
    assert await add(store, first, first) == [first.id, first.id]
    assert await stored(store) == [first.id]


# For some time after the end


async def test_a_key_is_held_for_some_time_after_the_end(store: TimedStore, worker: WorkerId, clock: Clock):
    task = await a_running_task(store, worker, key="k", unique_for=HOUR)
    clock.advance(2 * HOUR)
    await end_all(store, [task])
    clock.advance(HOUR - MINUTE)
    assert await add(store, keyed()) == [task.id]
    clock.advance(2 * MINUTE)
    call = keyed()
    assert await add(store, call) == [call.id]


async def test_how_long_it_is_held_is_said_by_the_call_that_took_it(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k")
    assert await add(store, keyed(unique_for=HOUR)) == [task.id]
    await end_all(store, [task])
    call = keyed()
    assert await add(store, call) == [call.id]


@pytest.mark.parametrize("unique_for", [timedelta.max, timedelta(days=36_500)], ids=str)
async def test_a_key_may_be_held_longer_than_the_calendar(store: TimedStore, worker: WorkerId, unique_for: timedelta):
    task = await a_running_task(store, worker, key="k", unique_for=unique_for)
    await end_all(store, [task])
    store.clock_offset = timedelta(days=365)
    assert await store.prune(older_than=HOUR, limit=10) == 1
    assert await add(store, keyed()) == [task.id]


async def test_a_pruned_task_holds_its_key_as_long_as_it_was_said(store: TimedStore, worker: WorkerId, clock: Clock):
    task = await a_running_task(store, worker, key="k", unique_for=3 * HOUR)
    await end_all(store, [task])
    clock.advance(2 * HOUR)
    assert await store.prune(older_than=HOUR, limit=10) == 1
    assert await add(store, keyed()) == [task.id]
    clock.advance(2 * HOUR)
    call = keyed()
    assert await add(store, call) == [call.id]


async def test_a_key_that_outlived_its_task_and_is_over_can_be_taken_after_pruning_too(
    store: TimedStore, worker: WorkerId, clock: Clock
):
    task = await a_running_task(store, worker, key="k", unique_for=3 * HOUR)
    await end_all(store, [task])
    clock.advance(2 * HOUR)
    await store.prune(older_than=HOUR, limit=10)
    clock.advance(2 * HOUR)
    assert await store.prune(older_than=HOUR, limit=10) == 0
    call = keyed()
    assert await add(store, call, keyed()) == [call.id, call.id]


async def test_pruning_takes_the_other_names_and_the_key_along(store: TimedStore, worker: WorkerId, clock: Clock):
    first, twin = keyed(), keyed()
    await store.add([first])
    await store.add([twin])
    await run_and_end(store, worker)
    clock.advance(2 * HOUR)
    assert await store.prune(older_than=HOUR, limit=10) == 1
    assert await store.find(Search(ids=(first.id, twin.id)), limit=10) == []
    call = keyed()
    assert await add(store, call) == [call.id]


async def test_pruning_leaves_the_key_to_the_task_that_has_taken_it_since(
    store: TimedStore, worker: WorkerId, clock: Clock
):
    await store.add([keyed()])
    await run_and_end(store, worker)
    second = keyed()
    await store.add([second])
    clock.advance(2 * HOUR)
    assert await store.prune(older_than=HOUR, limit=10) == 1
    assert await add(store, keyed()) == [second.id]


# Other names


async def test_every_verb_reaches_a_task_by_another_name(store: TimedStore, worker: WorkerId):
    first, twin = keyed(), keyed()
    await store.add([first, twin])
    assert await store.cancel([twin.id]) == [twin.id]
    assert (await the_task(store, twin.id)).state is State.CANCELLED
    assert await store.cancel([twin.id]) == []
    assert await store.retry([twin.id]) == [twin.id]
    [task] = await claim_all(store, worker)
    assert (task.id, await store.cancel([twin.id])) == (first.id, [twin.id])
    assert await store.cancellations(worker) == [task.claim]
    assert ids_of(await store.find(Search(ids=(twin.id, first.id), state=State.RUNNING), limit=10)) == [first.id]


async def test_a_task_that_is_named_twice_changes_once(store: TimedStore):
    first, twin = keyed(), keyed()
    await store.add([first, twin])
    assert len(await store.cancel([twin.id, first.id])) == 1
    assert len(await store.retry([twin.id, first.id])) == 1


# Retrying


async def test_a_retried_task_takes_its_key_again(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k", unique_for=HOUR)
    await store.settle([outcome(task.claim, Ending.FAILED)])
    store.clock_offset = 2 * HOUR
    assert await store.retry([task.id]) == [task.id]
    assert await add(store, keyed()) == [task.id]


async def test_a_retried_task_takes_its_key_again_from_one_that_has_ended(store: TimedStore, worker: WorkerId):
    first, second = keyed(), keyed()
    for call in (first, second):
        await store.add([call])
        await run_and_end(store, worker)
    assert await store.retry([first.id]) == [first.id]
    assert await add(store, keyed()) == [first.id]
    assert await store.retry([second.id]) == []


@pytest.mark.parametrize("unique_for", [None, HOUR], ids=str)
async def test_a_task_whose_key_another_holds_is_not_retried(
    store: TimedStore, worker: WorkerId, unique_for: timedelta | None
):
    first, second, bystander = keyed(), keyed(unique_for=unique_for), a_call()
    await store.add([first, bystander])
    await run_and_end(store, worker)
    await store.add([second])
    if unique_for is not None:
        await run_and_end(store, worker)
    before = await the_task(store, first.id)
    assert await store.retry([first.id, bystander.id]) == [bystander.id]
    assert await the_task(store, first.id) == before


async def test_of_two_under_one_key_that_are_retried_together_one_is(store: TimedStore, worker: WorkerId):
    calls = [keyed(), keyed()]
    for call in calls:
        await store.add([call])
        await run_and_end(store, worker)
    [retried] = await store.retry(ids_of(calls))
    assert ids_of(await store.find(Search(state=State.WAITING), limit=10)) == [retried]


# Replacing


async def test_a_waiting_task_is_replaced(store: TimedStore, worker: WorkerId):
    first = keyed(arguments="1", delay=MINUTE, unique_for=HOUR)
    await store.add([first])
    new = keyed(
        arguments='"two"', delay=2 * MINUTE, priority=7, queue="slow", crashes=1, retry=Retry(attempts=2),
        timeout=SECOND, deadline=HOUR, replace=True,
    )  # fmt: skip
    assert await add(store, new) == [first.id]
    task = await the_task(store, new.id)
    assert (task.id, task.arguments, task.priority, task.queue) == (first.id, '"two"', 7, "slow")
    assert (task.crashes_allowed, task.retry, task.timeout, task.state) == (1, new.retry, SECOND, State.WAITING)
    assert timedelta(0) < (task.due - task.added) - 2 * MINUTE < MINUTE
    assert task.deadline is not None
    store.clock_offset = MINUTE + SECOND
    assert await claim_all(store, worker) == []
    store.clock_offset = 3 * MINUTE
    assert [(task.id, task.arguments) for task in await claim_all(store, worker)] == [(first.id, '"two"')]


async def test_each_call_moves_the_due_further(store: TimedStore, worker: WorkerId, clock: Clock):
    for _ in range(3):
        await store.add([keyed(delay=MINUTE, replace=True)])
        clock.advance(MINUTE - SECOND)
        assert await claim_all(store, worker) == []
    clock.advance(2 * SECOND)
    assert len(await claim_all(store, worker)) == 1


async def test_a_replaced_task_may_be_due_earlier(store: TimedStore, worker: WorkerId):
    first = keyed(delay=HOUR)
    await store.add([first])
    await store.add([keyed(replace=True)])
    assert ids_of(await claim_all(store, worker)) == [first.id]


async def test_a_replaced_task_is_tried_as_if_it_were_new(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k", crashes=2)
    await store.settle([outcome(task.claim, Ending.RETRIED)])
    await crash(store, task.id)
    before = await the_task(store, task.id)
    assert (before.suspect, before.attempt, before.crashes) == (True, 1, 1)
    await store.add([keyed(replace=True)])
    after = await the_task(store, task.id)
    assert (after.suspect, after.attempt, after.crashes, after.error) == (False, 0, 0, None)
    assert (after.run, after.id) == (before.run, before.id)
    assert len(await claim_all(store, worker, suspects=False)) == 1


async def test_a_running_task_is_not_replaced_but_followed(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker, key="k")
    newest, newer = keyed(arguments="3", replace=True), keyed(arguments="2", replace=True)
    assert await add(store, newer) == [newer.id]
    assert await add(store, newest) == [newer.id]
    assert (await the_task(store, running.id)).arguments == running.arguments
    assert len((await store.settle([outcome(running.claim, Ending.DONE)])).held) == 1
    assert [(task.id, task.arguments) for task in await claim_all(store, worker)] == [(newer.id, "3")]
    assert await add(store, keyed()) == [newer.id]


async def test_calls_that_replace_each_other_in_one_write_leave_one_task_with_the_last(store: TimedStore):
    calls = [keyed(arguments=str(number), delay=HOUR, replace=True) for number in range(5)]
    assert await add(store, *calls, a_call()) == [*[calls[0].id] * 5, (await stored(store))[0]]
    assert (await the_task(store, calls[2].id)).arguments == "4"
    assert len(await stored(store)) == 2


async def test_of_calls_that_replace_each_other_in_one_write_none_is_lost_to_one_that_runs(
    store: TimedStore, worker: WorkerId
):
    calls = [keyed(arguments=str(number), replace=True) for number in range(3)]
    added = await store.add(calls, claimed_by=worker)
    claimed = [one.claimed.arguments for one in added if one.claimed is not None]
    assert claimed == ["0", "1", "2"]


async def test_a_key_that_is_held_after_the_end_is_not_replaced(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k", unique_for=HOUR)
    await end_all(store, [task])
    assert await add(store, keyed(replace=True)) == [task.id]


async def test_a_replacement_sent_again_replaces_once(store: TimedStore):
    first, second, third = (keyed(arguments=str(number), replace=True) for number in range(3))
    for call in (first, second, third, second):
        await store.add([call])
    assert (await the_task(store, first.id)).arguments == "2"


async def test_a_replaced_task_stays_held_as_unknown_and_is_freed_by_its_name(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k")
    await store.settle([outcome(task.claim, Ending.UNKNOWN)])
    await store.add([keyed(replace=True, queue="other")])
    assert (await the_task(store, task.id)).held is Hold.UNKNOWN
    await sign_on(store, "knowing", functions=("tests:work",))
    assert ids_of(await claim_all(store, worker)) == [task.id]


async def test_a_replaced_task_stays_where_it_is_in_its_line(store: TimedStore, worker: WorkerId):
    first, second, third = a_line(3)
    await store.add([first, replace(second, key="k"), third])
    await store.add([keyed(arguments="2", replace=True)])
    ran: list[tuple[TaskId, str]] = []
    while tasks := await claim_all(store, worker):
        ran += [(task.id, task.arguments) for task in tasks]
        await end_all(store, tasks)
    assert ran == [(first.id, first.arguments), (second.id, "2"), (third.id, third.arguments)]


# In the order of a request


async def test_a_call_under_a_key_keeps_its_place_in_its_line(store: TimedStore):
    first, second, third = a_line(3, key=None)
    await store.add([first, replace(second, key="k"), third])
    assert [(await the_task(store, call.id)).after for call in (second, third)] == [first.id, second.id]


async def test_the_line_closes_over_a_twin(store: TimedStore, worker: WorkerId):
    await store.add([keyed("a", delay=HOUR), keyed("b", delay=HOUR)])
    first, second, third, fourth = a_line(4)
    await store.add([first, replace(second, key="a"), replace(third, key="b"), fourth])
    task = await the_task(store, fourth.id)
    assert (task.held, task.after) == (Hold.AFTER, first.id)
    assert ids_of(await claim_all(store, worker)) == [first.id]


async def test_a_line_whose_head_is_a_twin_begins_with_the_next(store: TimedStore, worker: WorkerId):
    await store.add([keyed(delay=HOUR)])
    first, second, third = a_line(3)
    await store.add([replace(first, key="k"), second, third])
    assert ids_of(await claim_all(store, worker)) == [second.id]


# Brought by outcomes and ticks


async def test_calls_that_an_outcome_brings_come_under_their_keys(store: TimedStore, worker: WorkerId):
    holder = keyed(delay=HOUR)
    await store.add([holder])
    task = await a_running_task(store, worker)
    calls = (keyed(), keyed("other"))
    assert len((await store.settle([outcome(task.claim, Ending.DONE, calls=calls)])).held) == 1
    assert set(await stored(store)) == {holder.id, task.id, calls[1].id}
    assert (await the_task(store, calls[0].id)).id == holder.id


async def test_a_task_that_ends_may_bring_a_call_under_its_own_key(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, key="k")
    call = keyed()
    await store.settle([outcome(task.claim, Ending.DONE, calls=(call,))])
    assert (await the_task(store, call.id)).id == call.id


# Moving


async def test_a_moved_task_holds_its_key_and_has_its_names_in_the_other_store(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    first, twin = keyed(unique_for=HOUR, delay=MINUTE), keyed()
    await store.add([a_call(), first, twin])
    tasks = await store.hand_over(limit=10)
    assert [task.twins for task in tasks] == [(), (twin.id,)]
    assert await other.receive(tasks) == ids_of(tasks)
    assert await store.forget(ids_of(tasks)) == ids_of(tasks)
    assert (await the_task(other, twin.id)).id == first.id
    assert await add(other, keyed()) == [first.id]
    assert await store.find(Search(ids=(twin.id,)), limit=1) == []
    call = keyed()
    assert await add(store, call) == [call.id]
    assert (await the_task(other, first.id)).unique_for == HOUR


async def test_a_task_that_is_received_where_its_key_is_held_waits_beside_the_holder(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    here, there = keyed(), keyed()
    await store.add([here])
    await other.add([there])
    await store.receive(await other.hand_over(limit=10))
    assert set(ids_of(await claim_all(store, worker))) == {here.id, there.id}
    assert await add(store, keyed()) == [here.id]


async def test_a_task_that_is_received_again_takes_nothing(store: TimedStore, other: TimedStore, worker: WorkerId):
    call = keyed()
    await other.add([call])
    tasks = await other.hand_over(limit=10)
    await store.receive(tasks)
    await run_and_end(store, worker)
    second = keyed()
    await store.add([second])
    assert await store.receive(tasks) == []
    assert await add(store, keyed()) == [second.id]


async def test_calls_without_keys_are_as_they_were(store: TimedStore):
    calls = some_calls(3)
    assert await add(store, *calls) == ids_of(calls)
    assert {task.key for task in await store.find(Search(), limit=10)} == {None}


async def test_what_is_to_be_kept_is_replaced_too(store: TimedStore, worker: WorkerId):
    logs = (LogLine(at=datetime.now(UTC), level="INFO", logger="mine", text="begun"),)
    holder = await a_running_task(store, worker, key="k", keeps=Keeps(logs=True))
    await store.settle([outcome(holder.claim, Ending.RETRIED, logs=logs)])
    await store.add([keyed(replace=True, keeps=Keeps(result=True))])
    task = await the_task(store, holder.id)
    assert (task.keeps, task.logs) == (Keeps(result=True), ())
