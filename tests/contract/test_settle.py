"""Settling."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from afterwards.outcomes import Ending, done
from afterwards.tasks import Claim, Failure, Hold, Search, State, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    SECOND,
    TimedStore,
    a_call,
    a_failure,
    a_line,
    a_running_task,
    claim_all,
    ids_of,
    outcome,
    some_calls,
    the_task,
)


async def test_a_done_task_keeps_its_result(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    settled = await store.settle([done(running.claim, result='{"sent": "ü"}')])
    assert settled.held == [running.claim]
    task = await the_task(store, running.id)
    assert (task.state, task.returned, task.error, task.worker) == (State.DONE, '{"sent": "ü"}', None, None)
    assert task.ended is not None


async def test_a_task_that_failed_for_good_keeps_its_error(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.FAILED, error=a_failure("wörks not"))])
    task = await the_task(store, running.id)
    assert (task.state, task.error) == (State.FAILED, a_failure("wörks not"))
    assert task.ended is not None


async def test_a_task_that_is_tried_again_waits_and_keeps_its_error(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED, delay=HOUR)])
    task = await the_task(store, running.id)
    assert (task.state, task.attempt, task.ended, task.worker) == (State.WAITING, 1, None, None)
    assert task.error == a_failure()
    assert await claim_all(store, worker) == []
    store.clock_offset += HOUR
    [again] = await claim_all(store, worker)
    assert again.attempt == 2


async def test_a_later_success_leaves_no_error_behind(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    [again] = await claim_all(store, worker)
    await store.settle([done(again.claim)])
    assert (await the_task(store, running.id)).error is None


@pytest.mark.parametrize("ending", [Ending.AGAIN, Ending.RETURNED, Ending.CANCELLED])
async def test_a_run_that_says_nothing_of_errors_leaves_the_last_one(
    store: TimedStore, worker: WorkerId, ending: Ending
):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    [again] = await claim_all(store, worker)
    await store.settle([outcome(again.claim, ending)])
    assert (await the_task(store, running.id)).error == a_failure()


async def test_asking_for_a_later_try_spends_no_attempt(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.AGAIN, delay=HOUR)])
    task = await the_task(store, running.id)
    assert (task.state, task.attempt, task.run) == (State.WAITING, 0, 1)
    assert await claim_all(store, worker) == []


async def test_a_cancelled_run_ends_its_task(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.CANCELLED)])
    task = await the_task(store, running.id)
    assert (task.state, task.worker) == (State.CANCELLED, None)
    assert task.ended is not None


async def test_a_returned_task_is_as_if_it_had_never_been_claimed(store: TimedStore, worker: WorkerId):
    call = a_call()
    await store.add([call])
    before = await the_task(store, call.id)
    [running] = await claim_all(store, worker)
    store.clock_offset += SECOND
    await store.settle([outcome(running.claim, Ending.RETURNED)])
    task = await the_task(store, call.id)
    assert (task.state, task.attempt, task.run) == (State.WAITING, 0, 1)
    assert (task.due, task.started, task.worker) == (before.due, None, None)


async def test_a_task_that_is_returned_with_a_delay_waits_that_long(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETURNED, delay=SECOND)])
    assert await claim_all(store, worker) == []
    store.clock_offset += SECOND
    assert ids_of(await claim_all(store, worker)) == [running.id]


async def test_a_task_nobody_knew_is_held_as_unknown(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.UNKNOWN)])
    task = await the_task(store, running.id)
    assert (task.state, task.held, task.attempt, task.error) == (State.WAITING, Hold.UNKNOWN, 0, a_failure())
    assert await claim_all(store, worker) == []


async def test_started_is_the_end_less_what_the_run_took(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.DONE, took=timedelta(seconds=3.25))])
    task = await the_task(store, running.id)
    assert task.started is not None
    assert task.ended is not None
    assert task.ended - task.started == timedelta(seconds=3.25)


async def test_a_run_of_centuries_can_be_settled(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.DONE, took=timedelta.max)])
    assert (await the_task(store, running.id)).state is State.DONE


async def test_settling_nothing_does_nothing(store: TimedStore):
    settled = await store.settle([])
    assert (settled.held, settled.claimed) == ([], [])


# Fences: a claim that does not hold any more changes nothing


@pytest.mark.parametrize("ending", Ending)
async def test_an_older_run_changes_nothing(store: TimedStore, worker: WorkerId, ending: Ending):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETURNED)])
    [newer] = await claim_all(store, worker)
    settled = await store.settle([outcome(running.claim, ending, result="1", calls=(a_call(),))])
    assert settled.held == []
    assert await the_task(store, running.id) == newer
    assert len(await store.find(Search(), limit=10)) == 1


async def test_another_worker_changes_nothing(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    stranger = Claim(id=running.id, run=running.run, worker=WorkerId("stranger"))
    settled = await store.settle([done(stranger)])
    assert settled.held == []
    assert await the_task(store, running.id) == running


async def test_a_lost_worker_changes_nothing(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    rescued = await the_task(store, running.id)
    settled = await store.settle([done(running.claim)])
    assert settled.held == []
    assert await the_task(store, running.id) == rescued


async def test_an_unknown_task_is_passed_over(store: TimedStore, worker: WorkerId):
    settled = await store.settle([done(Claim(id=a_call().id, run=1, worker=worker))])
    assert settled.held == []


async def test_a_run_is_settled_once(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([done(running.claim)])
    settled = await store.settle([outcome(running.claim, Ending.FAILED)])
    assert settled.held == []
    assert (await the_task(store, running.id)).state is State.DONE


async def test_of_two_outcomes_of_one_run_the_first_counts(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    settled = await store.settle([done(running.claim), outcome(running.claim, Ending.FAILED)])
    assert settled.held == [running.claim]
    assert (await the_task(store, running.id)).state is State.DONE


async def test_those_that_hold_are_settled_beside_those_that_do_not(store: TimedStore, worker: WorkerId):
    tasks = [await a_running_task(store, worker) for _ in range(4)]
    await store.settle([outcome(tasks[1].claim, Ending.RETURNED)])
    settled = await store.settle([done(task.claim) for task in tasks])
    assert settled.held == [tasks[0].claim, tasks[2].claim, tasks[3].claim]


async def test_settlements_at_once_are_told_apart(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(60))
    claims = [task.claim for task in await claim_all(store, worker)]
    answers = await asyncio.gather(
        *(store.settle([done(claim) for claim in claims[n : n + 3]]) for n in range(0, 60, 3))
    )
    assert [answer.held for answer in answers] == [claims[n : n + 3] for n in range(0, 60, 3)]


# What an outcome brings


async def test_calls_are_stored_with_the_outcome_that_brings_them(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    calls = a_line(2)
    await store.settle([outcome(running.claim, Ending.DONE, calls=tuple(calls))])
    assert [(await the_task(store, call.id)).held for call in calls] == [None, Hold.AFTER]
    assert ids_of(await claim_all(store, worker)) == [calls[0].id]


async def test_a_call_may_be_after_the_very_task_that_brings_it(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    call = a_call(after=running.id)
    await store.settle([outcome(running.claim, Ending.DONE, calls=(call,))])
    assert (await the_task(store, call.id)).held is None


@pytest.mark.parametrize("bad", ["\x00", "half \ud83c"], ids=repr)
async def test_a_text_that_cannot_be_stored_does_not_stop_the_others(store: TimedStore, worker: WorkerId, bad: str):
    tasks = [await a_running_task(store, worker) for _ in range(10)]
    outcomes = [done(task.claim, result=str(number)) for number, task in enumerate(tasks)]
    outcomes[3] = outcome(tasks[3].claim, Ending.FAILED, error=Failure(kind="ValueError", message=f"bad {bad} text"))
    outcomes[7] = outcome(tasks[7].claim, Ending.DONE, result=f'"{bad}"')
    settled = await store.settle(outcomes)
    assert len(settled.held) == 10
    found = [await the_task(store, task.id) for task in tasks]
    assert [task.state for task in found] == [State.FAILED if n == 3 else State.DONE for n in range(10)]
    assert [task.returned for task in found] == [None if n in (3, 7) else str(n) for n in range(10)]
    assert "bad" in str(found[3].error)
    assert "could not be stored" in str(found[7].error)


@pytest.mark.parametrize("delay", [timedelta.max, timedelta(days=365 * 9000)])
async def test_a_wait_beyond_the_calendar_ends_with_the_calendar(store: TimedStore, worker: WorkerId, delay: timedelta):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED, delay=delay)])
    assert (await the_task(store, running.id)).due.year == 9999


# A run that somebody asked to stop


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.AGAIN, Ending.RETURNED, Ending.UNKNOWN])
async def test_a_run_that_was_asked_to_stop_does_not_wait_for_another_try(
    store: TimedStore, worker: WorkerId, ending: Ending
):
    running = await a_running_task(store, worker)
    follower = a_call(after=running.id)
    await store.add([follower])
    await store.cancel([running.id])
    settled = await store.settle([outcome(running.claim, ending)])
    assert settled.held == [running.claim]
    task = await the_task(store, running.id)
    assert (task.state, task.held) == (State.CANCELLED, None)
    assert ids_of(await claim_all(store, worker)) == [follower.id]


async def test_a_run_that_ended_before_it_heard_is_what_it_was(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.cancel([running.id])
    await store.settle([done(running.claim)])
    assert (await the_task(store, running.id)).state is State.DONE
