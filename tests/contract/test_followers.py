"""The order of a request's line: each task is freed when the first run of the one before it has ended."""

from __future__ import annotations

import pytest

from afterwards.outcomes import Ending, done
from afterwards.tasks import Hold, State, Task, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    TimedStore,
    a_call,
    a_line,
    claim_all,
    ids_of,
    outcome,
    sign_on,
    the_task,
)

FREEING = (Ending.DONE, Ending.FAILED, Ending.RETRIED, Ending.AGAIN, Ending.CANCELLED)
KEEPING = (Ending.RETURNED, Ending.UNKNOWN)


async def a_running_line(store: TimedStore, worker: WorkerId, length: int = 2) -> tuple[Task, list[Task]]:
    """The head of a line runs, the others are held."""
    line = a_line(length)
    await store.add(line)
    [head] = await claim_all(store, worker)
    return head, [await the_task(store, call.id) for call in line[1:]]


@pytest.mark.parametrize("ending", FREEING)
async def test_an_end_of_its_run_frees_the_follower(store: TimedStore, worker: WorkerId, ending: Ending):
    head, [follower] = await a_running_line(store, worker)
    await store.settle([outcome(head.claim, ending)])
    assert (await the_task(store, follower.id)).held is None
    assert follower.id in ids_of(await claim_all(store, worker))


@pytest.mark.parametrize("ending", KEEPING)
async def test_a_run_that_did_not_happen_frees_nobody(store: TimedStore, worker: WorkerId, ending: Ending):
    head, [follower] = await a_running_line(store, worker)
    await store.settle([outcome(head.claim, ending)])
    assert (await the_task(store, follower.id)).held is Hold.AFTER
    assert follower.id not in ids_of(await claim_all(store, worker))


def test_every_ending_frees_or_keeps():
    assert set(FREEING) | set(KEEPING) == set(Ending)


async def test_a_line_runs_in_its_order(store: TimedStore, worker: WorkerId):
    line = a_line(5)
    await store.add(line)
    order = []
    while claimed := await claim_all(store, worker):
        order += ids_of(claimed)
        await store.settle([done(task.claim) for task in claimed])
    assert order == ids_of(line)


async def test_only_the_next_is_freed(store: TimedStore, worker: WorkerId):
    head, [_, last] = await a_running_line(store, worker, 3)
    await store.settle([done(head.claim)])
    assert (await the_task(store, last.id)).held is Hold.AFTER


async def test_all_that_wait_for_one_task_are_freed(store: TimedStore, worker: WorkerId):
    head = a_call()
    fan = [a_call(after=head.id) for _ in range(3)]
    await store.add([head, *fan])
    [running] = await claim_all(store, worker)
    await store.settle([done(running.claim)])
    assert set(ids_of(await claim_all(store, worker))) == set(ids_of(fan))


async def test_what_failed_and_will_be_retried_does_not_stop_the_next(store: TimedStore, worker: WorkerId):
    head, [second, third] = await a_running_line(store, worker, 3)
    await store.settle([outcome(head.claim, Ending.RETRIED)])
    claimed = {task.id: task for task in await claim_all(store, worker)}
    assert set(claimed) == {head.id, second.id}
    await store.settle([done(claimed[head.id].claim)])
    assert (await the_task(store, third.id)).held is Hold.AFTER


async def test_a_rescued_task_keeps_its_followers_waiting(store: TimedStore, worker: WorkerId):
    _, [follower] = await a_running_line(store, worker)
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert (await the_task(store, follower.id)).held is Hold.AFTER


async def test_a_poisoned_task_frees_its_followers(store: TimedStore, worker: WorkerId):
    line = a_line(2, crashes=1)
    await store.add(line)
    await claim_all(store, worker)
    [poison] = await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    assert poison.state is State.FAILED
    assert (await the_task(store, line[1].id)).held is None


async def test_a_signed_off_worker_frees_no_followers(store: TimedStore, worker: WorkerId):
    _, [follower] = await a_running_line(store, worker)
    await store.sign_off(worker)
    assert (await the_task(store, follower.id)).held is Hold.AFTER


async def test_what_a_worker_gave_back_when_it_signed_off_still_has_its_turn(store: TimedStore, worker: WorkerId):
    head, _ = await a_running_line(store, worker)
    await store.sign_off(worker)
    late = a_call(after=head.id)
    await store.add([late])
    assert (await the_task(store, late.id)).held is Hold.AFTER


async def test_cancelling_the_waiting_head_frees_the_follower(store: TimedStore, worker: WorkerId):
    head, follower = a_line(2)
    await store.add([head, follower])
    await store.cancel([head.id])
    assert ids_of(await claim_all(store, worker)) == [follower.id]


async def test_the_line_closes_over_a_cancelled_task_whose_turn_had_not_come(store: TimedStore, worker: WorkerId):
    head, [second, third] = await a_running_line(store, worker, 3)
    await store.cancel([second.id])
    assert (await the_task(store, third.id)).held is Hold.AFTER
    await store.settle([done(head.claim)])
    assert ids_of(await claim_all(store, worker)) == [third.id]


async def test_the_line_closes_over_several_cancelled_tasks(store: TimedStore, worker: WorkerId):
    head, [second, third, fourth] = await a_running_line(store, worker, 4)
    await store.cancel([third.id, second.id])
    assert (await the_task(store, fourth.id)).held is Hold.AFTER
    await store.settle([done(head.claim)])
    assert ids_of(await claim_all(store, worker)) == [fourth.id]


async def test_cancelling_a_whole_waiting_line_leaves_nobody_held(store: TimedStore, worker: WorkerId):
    line = a_line(4)
    await store.add(line)
    assert len(await store.cancel(ids_of(line))) == 4
    assert (await store.census()).held == {}
    assert await claim_all(store, worker) == []


# A worker that settles gets what it frees


async def test_a_settler_gets_the_followers_it_frees(store: TimedStore, worker: WorkerId):
    head, [follower] = await a_running_line(store, worker)
    settled = await store.settle([done(head.claim)], claimed_by=worker)
    [task] = settled.claimed
    assert (task.id, task.state, task.worker, task.run, task.held) == (follower.id, State.RUNNING, worker, 1, None)
    assert task == await the_task(store, follower.id)


async def test_a_settler_runs_a_whole_line_without_looking_for_it(store: TimedStore, worker: WorkerId):
    line = a_line(4)
    added = await store.add(line, claimed_by=worker)
    order = [task for one in added if (task := one.claimed) is not None]
    while len(order) < 4:
        settled = await store.settle([done(order[-1].claim)], claimed_by=worker)
        order += settled.claimed
    assert ids_of(order) == ids_of(line)


async def test_a_settler_gets_no_follower_whose_queue_is_paused(store: TimedStore, worker: WorkerId):
    head, [follower] = await a_running_line(store, worker)
    await store.pause("default", paused=True)
    settled = await store.settle([done(head.claim)], claimed_by=worker)
    assert settled.claimed == []
    assert (await the_task(store, follower.id)).held is None


async def test_a_settler_gets_no_follower_of_a_queue_it_does_not_serve(store: TimedStore):
    worker = await sign_on(store, queues=("default",))
    head = a_call()
    await store.add([head, a_call(after=head.id, queue="other")], claimed_by=worker)
    settled = await store.settle([done((await the_task(store, head.id)).claim)], claimed_by=worker)
    assert settled.claimed == []


async def test_a_settler_that_was_lost_gets_nothing(store: TimedStore, worker: WorkerId):
    head, _ = await a_running_line(store, worker)
    await store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    settled = await store.settle([done(head.claim)], claimed_by=worker)
    assert (settled.held, settled.claimed) == ([], [])


async def test_each_settler_gets_its_own(store: TimedStore, worker: WorkerId):
    other = await sign_on(store, "other")
    head, [follower] = await a_running_line(store, worker)
    other_head, [other_follower] = await a_running_line(store, other)
    settled = await store.settle([done(other_head.claim)], claimed_by=other)
    assert [(task.id, task.worker) for task in settled.claimed] == [(other_follower.id, other)]
    settled = await store.settle([done(head.claim)], claimed_by=worker)
    assert [(task.id, task.worker) for task in settled.claimed] == [(follower.id, worker)]
