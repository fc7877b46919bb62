"""The tries of a task: its runs before the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from afterwards.outcomes import Ending, Outcome, done
from afterwards.store import Store
from afterwards.tasks import MOST_TRIES, Call, Claim, Failure, Search, State, Task, Try, TryEnding, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    LEASE,
    SECOND,
    TimedStore,
    a_call,
    a_chain,
    a_failure,
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

WHAT_IS_KEPT = Failure(kind="ValueError", message="it went wrong")  # of a_failure()


async def run(store: Store, worker: WorkerId, task: Task, ending: Ending, **options: object) -> Task:
    """Let a waiting task run once, to this ending; as it stands then."""
    claimed = {claimed.id: claimed for claimed in await claim_all(store, worker)}
    settled = await store.settle([outcome(claimed[task.id].claim, ending, **options)])
    assert len(settled.held) == 1
    return await the_task(store, task.id)


def told(tries: Sequence[Try]) -> list[tuple[int, int, str]]:
    return [(one.run, one.attempt, one.ending) for one in tries]


async def test_a_task_that_succeeds_at_once_has_none(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    assert running.tries == (await the_task(store, running.id)).tries == ()
    await store.settle([done(running.claim)])
    assert (await the_task(store, running.id)).tries == ()


async def test_a_run_that_failed_and_is_to_be_repeated_is_one(store: TimedStore, worker: WorkerId):
    before = (await store.census()).now
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED, took=timedelta(seconds=0.25), delay=SECOND)])
    task, after = await the_task(store, running.id), (await store.census()).now
    [one] = task.tries
    assert (one.run, one.attempt, one.ending, one.error) == (1, 1, TryEnding.FAILED, WHAT_IS_KEPT)
    assert one.started == task.started
    assert one.ended - one.started == timedelta(seconds=0.25)
    assert before <= one.ended == task.due - SECOND <= after


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.CANCELLED, Ending.DONE])
async def test_the_last_run_is_none(store: TimedStore, worker: WorkerId, ending: Ending):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    task = await run(store, worker, running, ending)
    assert told(task.tries) == [(1, 1, "failed")]
    assert (task.attempt, task.state.ended) == (2, True)


async def test_a_run_that_asked_for_a_later_one_is_one_and_has_no_error(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    task = await run(store, worker, running, Ending.AGAIN, took=SECOND)
    assert told(task.tries) == [(1, 1, "failed"), (2, 2, "again")]
    assert task.tries[1].error is None
    assert task.tries[1].ended - task.tries[1].started == SECOND
    assert task.error == a_failure(), "the last one"


async def test_a_run_whose_process_died_is_one(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    store.clock_offset += LEASE + SECOND
    [rescued] = await store.rescue(known_dead=[], expired=True, limit=EVERYTHING)
    task = await the_task(store, running.id)
    assert rescued == task
    [one] = task.tries
    assert (one.run, one.attempt, one.ending, one.error) == (1, 1, TryEnding.CRASHED, None)
    assert one.started == running.started
    assert one.ended - one.started >= LEASE + SECOND


async def test_one_that_crashed_for_the_last_time_is_the_last_run(store: TimedStore):
    [call] = calls = some_calls(1, crashes=2)
    await store.add(calls)
    for _ in range(2):
        await crash(store, call.id)
    task = await the_task(store, call.id)
    assert (task.state, told(task.tries)) == (State.FAILED, [(1, 1, "crashed")])


@pytest.mark.parametrize("ending", [Ending.RETURNED, Ending.UNKNOWN])
async def test_a_run_that_was_given_back_is_none(store: TimedStore, worker: WorkerId, ending: Ending):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, ending)])
    assert (await the_task(store, running.id)).tries == ()


@pytest.mark.parametrize("leaving", [True, False])
async def test_a_worker_that_stopped_leaves_none(store: TimedStore, worker: WorkerId, leaving: bool):
    running = await a_running_task(store, worker)
    await store.sign_off(worker, leaving=leaving)
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    task = await the_task(store, running.id)
    assert (task.state, task.tries) == (State.WAITING, ())


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.AGAIN])
async def test_a_run_that_was_asked_to_stop_is_the_last(store: TimedStore, worker: WorkerId, ending: Ending):
    running = await a_running_task(store, worker)
    await store.cancel([running.id])
    await store.settle([outcome(running.claim, ending)])
    task = await the_task(store, running.id)
    assert (task.state, task.tries) == (State.CANCELLED, ())


async def test_a_claim_that_does_not_hold_leaves_none(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    stranger = Claim(id=running.id, run=running.run, worker=WorkerId("stranger"))
    await store.settle([outcome(stranger, Ending.RETRIED)])
    assert (await the_task(store, running.id)).tries == ()


# A person's retry


@pytest.mark.parametrize(
    ("ending", "how", "error"),
    [
        (Ending.FAILED, TryEnding.FAILED, WHAT_IS_KEPT),
        (Ending.DONE, TryEnding.DONE, None),
        (Ending.CANCELLED, TryEnding.CANCELLED, None),
    ],
)
async def test_the_last_run_of_a_task_that_a_person_retries_becomes_one(
    store: TimedStore, worker: WorkerId, ending: Ending, how: TryEnding, error: Failure | None
):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    ended = await run(store, worker, running, ending, took=SECOND)
    store.clock_offset += SECOND
    await store.retry([running.id])
    task = await the_task(store, running.id)
    assert (task.attempt, told(task.tries)) == (0, [(1, 1, "failed"), (2, 2, how)])
    last = task.tries[1]
    assert (last.started, last.ended, last.error) == (ended.started, ended.ended, error)
    assert (task.started, task.error) == (None, None)


async def test_a_task_that_never_ran_has_none_after_a_retry(store: TimedStore):
    await store.add([call := a_call()])
    await store.cancel([call.id])
    assert await store.retry([call.id]) == [call.id]
    assert (await the_task(store, call.id)).tries == ()


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.AGAIN])
async def test_a_run_after_which_its_task_was_cancelled_is_noted_once(
    store: TimedStore, worker: WorkerId, ending: Ending
):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, ending)])
    await store.cancel([running.id])
    await store.retry([running.id])
    assert len((await the_task(store, running.id)).tries) == 1


async def test_a_step_that_waits_again_for_another_keeps_its_run(store: TimedStore, worker: WorkerId):
    first, second = a_chain(2)
    await store.add([first, second])
    await end_all(store, await claim_all(store, worker))
    await end_all(store, await claim_all(store, worker))
    await store.retry([first.id])
    assert told((await the_task(store, first.id)).tries) == [(1, 1, "done")]
    await store.retry([second.id])
    task = await the_task(store, second.id)
    assert (task.state, task.after, told(task.tries)) == (State.WAITING, first.id, [(1, 1, "done")])


# How many, and how much of each


async def test_the_newest_are_kept(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.settle([outcome(task.claim, Ending.AGAIN)])
    for _ in range(MOST_TRIES + 4):
        task = await run(store, worker, task, Ending.AGAIN)
    assert [one.run for one in task.tries] == list(range(6, MOST_TRIES + 6))
    assert [one.number for one in task.tries] == list(range(6, MOST_TRIES + 6))
    await crash(store, task.id)
    task = await the_task(store, task.id)
    assert (len(task.tries), told(task.tries)[-1]) == (MOST_TRIES, (MOST_TRIES + 6, 1, "crashed"))
    task = await run(store, worker, task, Ending.FAILED)
    await store.retry([task.id])
    task = await the_task(store, task.id)
    assert (len(task.tries), told(task.tries)[-1]) == (MOST_TRIES, (MOST_TRIES + 7, 1, "failed"))
    assert [one.number for one in task.tries] == list(range(8, MOST_TRIES + 8))


async def test_their_numbers_say_whether_the_first_is_kept(store: TimedStore, worker: WorkerId):
    """Runs do not: one that was given back is none of them."""
    task = await a_running_task(store, worker)
    await store.settle([outcome(task.claim, Ending.RETURNED)])
    for _ in range(MOST_TRIES):
        task = await run(store, worker, task, Ending.AGAIN)
    assert [(one.number, one.run) for one in task.tries] == [(at, at + 1) for at in range(1, MOST_TRIES + 1)]


async def test_a_message_that_looks_like_a_try_is_no_number(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker)
    await store.settle([outcome(task.claim, Ending.RETRIED, error=a_failure('{"run":7,"number":41,"'))])
    task = await run(store, worker, task, Ending.RETRIED)
    assert [one.number for one in task.tries] == [1, 2]


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.FAILED])
@pytest.mark.parametrize("letter", ["x", "ü", "漢", "😀", '"', "\\", "\n"], ids=ascii)
async def test_a_long_message_is_cut(store: TimedStore, worker: WorkerId, ending: Ending, letter: str):
    whole, long = await a_running_task(store, worker), await a_running_task(store, worker)
    failures = [a_failure(letter * 500), a_failure(letter * 501)]
    claims = [whole.claim, long.claim]
    await store.settle([outcome(c, ending, error=failure) for c, failure in zip(claims, failures, strict=True)])
    await store.retry([whole.id, long.id])
    tries = [(await the_task(store, task.id)).tries for task in (whole, long)]
    messages = [one.error.message for [one] in tries if one.error is not None]
    assert messages == [letter * 500, letter * 499 + "…"]


@pytest.mark.parametrize("bad", ["\x00", "half \ud83c"], ids=repr)
async def test_a_message_that_cannot_be_stored_does_not_stop_the_others(store: TimedStore, worker: WorkerId, bad: str):
    await store.add(some_calls(100))
    claims = [task.claim for task in await claim_all(store, worker)]
    outcomes = [outcome(claim, Ending.RETRIED) for claim in claims]
    outcomes[40] = outcome(claims[40], Ending.RETRIED, error=Failure(kind=f"K{bad}", message=f"bad {bad} text"))
    outcomes[70] = outcome(claims[70], Ending.RETRIED, calls=(a_call(arguments=f'"{bad}"'),))
    assert len((await store.settle(outcomes)).held) == 100
    found = {task.id: task for task in await store.find(Search(), limit=EVERYTHING)}
    tasks = [found[claim.id] for claim in claims]
    assert [len(task.tries) for task in tasks] == [0 if place == 70 else 1 for place in range(100)]
    assert tasks[70].state is State.FAILED, "its calls could not be stored"
    messages = [one.error.message for task in tasks for one in task.tries if one.error is not None]
    assert [message for message in messages if message != "it went wrong"] == [str(tasks[40].error)]


# Who is told, and what becomes of them


async def test_a_worker_is_not_told_of_them(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    [again] = await claim_all(store, worker)
    assert again.tries == ()
    assert again == replace(await the_task(store, again.id), tries=())


async def test_a_task_is_moved_with_them(store: TimedStore, other: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED, error=a_failure("wörks not, 'never', \"ever\""))])
    await run(store, worker, running, Ending.AGAIN)
    [task] = await store.hand_over(limit=EVERYTHING)
    assert told(task.tries) == [(1, 1, "failed"), (2, 2, "again")]
    await other.receive([task])
    assert await other.hand_over(limit=EVERYTHING) == [task] == [await the_task(other, task.id)]
    again = await run(other, await sign_on(other), task, Ending.RETRIED)
    assert told(again.tries) == [(1, 1, "failed"), (2, 2, "again"), (3, 2, "failed")]


async def test_one_that_another_call_replaces_begins_anew(store: TimedStore, worker: WorkerId):
    call = a_call(key="k")
    await store.add([call], claimed_by=worker)
    running = await the_task(store, call.id)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    await store.add([a_call(key="k", replace=True)])
    task = await the_task(store, call.id)
    assert task.tries == ()
    task = await run(store, worker, task, Ending.RETRIED)
    assert [(one.number, one.run, one.attempt) for one in task.tries] == [(1, 2, 1)]


async def test_they_go_with_their_task(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED)])
    await run(store, worker, running, Ending.DONE)
    store.clock_offset += SECOND
    assert await store.prune(older_than=timedelta(0), limit=EVERYTHING) == 1
    again = Call(id=running.id, name=running.name, arguments=running.arguments)
    await store.add([again])
    assert (await the_task(store, running.id)).tries == ()


async def test_outcomes_of_every_kind_are_told_apart(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(len(Ending)))
    claims = [task.claim for task in await claim_all(store, worker)]
    outcomes: list[Outcome] = [outcome(claim, ending) for claim, ending in zip(claims, Ending, strict=True)]
    await store.settle(outcomes)
    tasks = {task.id: task for task in await store.find(Search(ids=tuple(c.id for c in claims)), limit=EVERYTHING)}
    noted = [(made.ending, one.ending) for made in outcomes for one in tasks[made.claim.id].tries]
    assert noted == [(Ending.RETRIED, TryEnding.FAILED), (Ending.AGAIN, TryEnding.AGAIN)]


async def test_a_follower_that_is_freed_and_claimed_comes_without(store: TimedStore, worker: WorkerId):
    first = await a_running_task(store, worker)
    follower = a_call(after=first.id)
    await store.add([follower])
    settled = await store.settle([outcome(first.claim, Ending.RETRIED)], claimed_by=worker)
    assert ids_of(settled.claimed) == [follower.id]
    assert settled.claimed[0].tries == ()
