"""Adding calls."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.errors import CannotStore
from afterwards.ids import new_id
from afterwards.retries import Retry
from afterwards.tasks import Keeps, Search, State, WorkerId
from tests.contract.builders import (
    HOUR,
    MINUTE,
    SECOND,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    end_all,
    ids_of,
    sign_on,
    some_calls,
    the_task,
)

FIRST_INSTANT, LAST_INSTANT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


async def test_a_call_waits_as_it_was_added(store: TimedStore):
    call = a_call(name="shop.mail:send", arguments='["süß", "\\u0000", "🎈"]', queue="mail", priority=7)
    await store.add([call])
    task = await the_task(store, call.id)
    assert (task.name, task.arguments, task.queue, task.priority) == (call.name, call.arguments, "mail", 7)
    assert (task.state, task.held, task.attempt, task.run, task.crashes) == (State.WAITING, None, 0, 0, 0)
    assert (task.worker, task.started, task.ended, task.error, task.returned) == (None, None, None, None, None)


async def test_each_call_is_answered_in_its_order(store: TimedStore):
    calls = some_calls(5)
    added = await store.add(calls)
    assert [one.id for one in added] == ids_of(calls)
    assert all(one.claimed is None for one in added)


async def test_adding_nothing_does_nothing(store: TimedStore):
    assert await store.add([]) == []
    assert await store.find(Search(), limit=10) == []


async def test_the_same_ids_again_change_nothing(store: TimedStore):
    first, second = some_calls(2)
    await store.add([first])
    before = await the_task(store, first.id)
    added = await store.add([a_call(id=first.id, name="tests:other"), second])
    assert [one.id for one in added] == [first.id, second.id]
    assert await the_task(store, first.id) == before
    assert len(await store.find(Search(), limit=10)) == 2


async def test_the_same_id_twice_in_one_write_is_stored_once(store: TimedStore):
    call = a_call()
    added = await store.add([call, call])
    assert [one.id for one in added] == [call.id, call.id]
    assert len(await store.find(Search(), limit=10)) == 1


async def test_an_ended_task_does_not_come_back_when_its_id_is_added_again(store: TimedStore, worker: WorkerId):
    call = a_call()
    await store.add([call])
    await end_all(store, await claim_all(store, worker))
    await store.add([call])
    assert await claim_all(store, worker) == []


async def test_a_call_is_due_when_it_was_added_plus_its_delay(store: TimedStore):
    call = a_call(delay=HOUR)
    await store.add([call])
    task = await the_task(store, call.id)
    assert task.due - task.added == HOUR
    assert abs(task.added - datetime.now(UTC)) < timedelta(seconds=30)


async def test_an_instant_given_by_the_user_wins_over_the_delay(store: TimedStore):
    due = datetime(2031, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
    call = a_call(delay=HOUR, due=due)
    await store.add([call])
    assert (await the_task(store, call.id)).due == due


async def test_an_instant_in_another_zone_is_the_same_instant(store: TimedStore):
    due = datetime.fromisoformat("2031-05-04T03:02:01+08:00")
    call = a_call(due=due)
    await store.add([call])
    assert (await the_task(store, call.id)).due == due


@pytest.mark.parametrize("due", [FIRST_INSTANT, LAST_INSTANT])
async def test_the_ends_of_the_calendar_are_instants_like_others(store: TimedStore, due: datetime):
    call = a_call(due=due)
    await store.add([call])
    [task] = await store.hand_over(limit=1)
    assert (task.due, task.due.utcoffset()) == (due, timedelta(0))
    await store.forget([task.id])
    await store.receive([task])
    assert (await the_task(store, call.id)).due.isoformat() == due.isoformat()


@pytest.mark.parametrize("delay", [timedelta.max, timedelta(days=365 * 9000)])
async def test_a_delay_beyond_the_calendar_ends_with_the_calendar(store: TimedStore, delay: timedelta):
    call = a_call(delay=delay)
    await store.add([call])
    assert (await the_task(store, call.id)).due == LAST_INSTANT


async def test_a_policy_given_at_the_call_is_kept(store: TimedStore):
    retry = Retry(attempts=7, crashes=1, first=0.5, factor=3.0, longest=60.0, jitter=0.0, unless=("ValueError",))
    call = a_call(retry=retry)
    await store.add([call])
    assert (await the_task(store, call.id)).retry == retry


@pytest.mark.parametrize("timeout", [timedelta(microseconds=1), timedelta(seconds=1.5), timedelta(days=36_500)])
async def test_a_timeout_given_at_the_call_is_kept_and_handed_to_whoever_claims(store: TimedStore, timeout: timedelta):
    worker = await sign_on(store)
    running, call = await a_running_task(store, worker, timeout=timeout), a_call(timeout=timeout)
    assert (running.timeout, (await the_task(store, running.id)).timeout) == (timeout, timeout)
    await store.add([call, a_call()])
    claimed = {task.id: task.timeout for task in await claim_all(store, worker)}
    assert claimed.pop(call.id) == timeout
    assert set(claimed.values()) == {None}


async def test_a_trace_comes_back_with_the_task_to_whoever_claims_or_looks(store: TimedStore):
    worker, trace = await sign_on(store), '{"traceparent": "00-ab-cd-01", "other": "ün"}'
    running, call = await a_running_task(store, worker, trace=trace), a_call(trace=trace)
    assert (running.trace, (await the_task(store, running.id)).trace) == (trace, trace)
    await store.add([call, a_call()])
    claimed = {task.id: task for task in await claim_all(store, worker)}
    assert claimed.pop(call.id).trace == trace
    assert {task.trace for task in claimed.values()} == {None}
    await end_all(store, [running])
    await store.retry([running.id])
    assert (await the_task(store, running.id)).trace == trace


@pytest.mark.parametrize(
    "deadline", [datetime(2040, 1, 1, 12, tzinfo=UTC), LAST_INSTANT, datetime(1, 1, 1, tzinfo=UTC)], ids=str
)
async def test_a_deadline_at_an_instant_is_kept(store: TimedStore, deadline: datetime):
    worker = await sign_on(store)
    running, call = await a_running_task(store, worker, deadline=deadline), a_call(deadline=deadline)
    await store.add([call, a_call()])
    assert (running.deadline, (await the_task(store, running.id)).deadline) == (deadline, deadline)
    assert {task.deadline for task in await claim_all(store, worker)} == {deadline, None}


async def test_a_deadline_that_is_so_far_away_counts_from_the_storing_by_the_stores_clock(store: TimedStore):
    worker = await sign_on(store)
    store.clock_offset = timedelta(days=3)
    running, call = await a_running_task(store, worker, deadline=MINUTE), a_call(deadline=MINUTE, delay=HOUR)
    await store.add([call])
    for id in (running.id, call.id):
        task = await the_task(store, id)
        assert task.deadline == task.added + MINUTE
    assert running.deadline == (await the_task(store, running.id)).deadline


async def test_a_deadline_beyond_the_calendar_ends_with_the_calendar(store: TimedStore):
    worker = await sign_on(store)
    running, call = await a_running_task(store, worker, deadline=timedelta.max), a_call(deadline=timedelta.max)
    await store.add([call])
    assert {(await the_task(store, id)).deadline for id in (running.id, call.id)} == {LAST_INSTANT}
    assert running.deadline == LAST_INSTANT


@pytest.mark.parametrize(
    "options",
    [
        {"name": "a\x00b"},
        {"name": "half \ud83c"},
        {"queue": "a\x00b"},
        {"queue": "half \ud83c"},
        {"arguments": '"\ud83c"'},
        {"arguments": '"\x00"'},
        {"priority": 10},
        {"priority": -1},
        {"crashes": -1},
        {"crashes": 2**70},
    ],
    ids=repr,
)
async def test_a_call_that_would_not_come_back_is_refused_and_nothing_of_its_request_is_stored(
    store: TimedStore, options: dict[str, object]
):
    with pytest.raises(CannotStore):
        await store.add([a_call(), a_call(**options)])
    assert await store.find(Search(), limit=10) == []


async def test_one_refused_request_among_many_fails_alone(store: TimedStore):
    good = some_calls(50)
    results = await asyncio.gather(
        *(store.add([call]) for call in good[:25]),
        store.add([a_call(priority=99)]),
        *(store.add([call]) for call in good[25:]),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert [type(error) for error in refused] == [CannotStore]
    assert set(ids_of(await store.find(Search(), limit=100))) == set(ids_of(good))


async def test_many_requests_at_once_are_all_stored(store: TimedStore):
    requests = [some_calls(3) for _ in range(100)]
    answers = await asyncio.gather(*(store.add(request) for request in requests))
    assert [[one.id for one in answer] for answer in answers] == [ids_of(request) for request in requests]
    assert len(await store.find(Search(), limit=1000)) == 300


async def test_a_large_call_comes_back_whole(store: TimedStore):
    call = a_call(arguments=f'"{"x" * 1_000_000}"')
    await store.add([call])
    assert (await the_task(store, call.id)).arguments == call.arguments


# After another call


async def test_the_later_calls_of_a_line_are_held_after_the_one_before(store: TimedStore):
    first, second, third = a_line(3)
    await store.add([first, second, third])
    tasks = [await the_task(store, call.id) for call in (first, second, third)]
    assert [task.held for task in tasks] == [None, "after", "after"]
    assert [task.after for task in tasks] == [None, first.id, second.id]


async def test_a_call_after_a_stored_task_that_has_not_run_is_held(store: TimedStore):
    former = a_call()
    await store.add([former])
    call = a_call(after=former.id)
    await store.add([call])
    assert (await the_task(store, call.id)).held == "after"


async def test_a_call_after_a_running_task_is_held(store: TimedStore, worker: WorkerId):
    former = await a_running_task(store, worker)
    call = a_call(after=former.id)
    await store.add([call])
    assert (await the_task(store, call.id)).held == "after"


async def test_a_call_after_a_task_that_has_ended_is_not_held(store: TimedStore, worker: WorkerId):
    former = await a_running_task(store, worker)
    await end_all(store, [former])
    call = a_call(after=former.id)
    await store.add([call])
    assert (await the_task(store, call.id)).held is None


async def test_a_call_after_one_that_was_never_stored_is_not_held(store: TimedStore):
    call = a_call(after=new_id())
    await store.add([call])
    assert (await the_task(store, call.id)).held is None


async def test_a_call_after_itself_is_not_held(store: TimedStore):
    call = a_call()
    await store.add([a_call(id=call.id, after=call.id)])
    assert (await the_task(store, call.id)).held is None


async def test_a_line_that_is_sent_again_after_its_head_has_run_is_not_held_by_it(store: TimedStore, worker: WorkerId):
    first, second = a_line(2)
    await store.add([first])
    await end_all(store, await claim_all(store, worker))
    await store.add([first, second])
    assert (await the_task(store, second.id)).held is None


async def test_lines_of_two_requests_in_one_write_do_not_hold_each_other(store: TimedStore, worker: WorkerId):
    lines = [a_line(2) for _ in range(20)]
    await asyncio.gather(*(store.add(line) for line in lines))
    claimed = await claim_all(store, worker)
    assert set(ids_of(claimed)) == {line[0].id for line in lines}


async def test_time_given_by_delay_counts_from_the_moment_of_storing(store: TimedStore, worker: WorkerId):
    await store.add([a_call(delay=SECOND)])
    assert await claim_all(store, worker) == []
    store.clock_offset += SECOND
    assert len(await claim_all(store, worker)) == 1


async def test_what_is_to_be_kept_goes_with_the_task(store: TimedStore, worker: WorkerId):
    keeps = Keeps(result=True, logs=False)
    call, plain = a_call(keeps=keeps), a_call(keeps=Keeps(logs=True))
    [at_once, _] = await store.add([call, plain], claimed_by=worker)
    assert at_once.claimed is not None
    assert at_once.claimed.keeps == keeps
    assert (await the_task(store, call.id)).keeps == keeps
    assert (await the_task(store, plain.id)).keeps == Keeps(logs=True)
    assert (await a_running_task(store, worker)).keeps is None
