"""Receiving waiting tasks of another store: each as it was there."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.errors import CannotStore
from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.outcomes import Ending, done
from afterwards.retries import Retry
from afterwards.tasks import (
    Failure,
    Hold,
    Keeps,
    LogLine,
    Progress,
    Search,
    State,
    Task,
    TaskId,
    Try,
    TryEnding,
    Woken,
    WorkerId,
)
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
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

NOT_OF_A_WAITING_TASK = {"result", "state", "held", "worker", "ended", "stop_asked", "limited"}


def a_full_task(**options: object) -> Task:
    """A waiting task with something in every field that one can have."""
    an_hour = datetime(2031, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
    task = Task(
        id=new_id(),
        name="tests:work",
        arguments='{"n": "ün"}',
        state=State.WAITING,
        queue="mail",
        priority=7,
        due=an_hour,
        added=an_hour - timedelta(days=9),
        after=new_id(),
        attempt=2,
        run=5,
        crashes=1,
        crashes_allowed=2,
        suspect=True,
        turn_over=True,
        started=an_hour - timedelta(days=1),
        error=Failure(kind="ValueError", message="no", traceback="File …"),
        tries=(
            Try(
                number=1,
                run=2,
                attempt=1,
                started=(began := an_hour - timedelta(days=2)),
                ended=began + timedelta(microseconds=1),
                ending=TryEnding.FAILED,
                error=Failure(kind="ValueError", message="nö, 'never', \"ever\"\n…"),
            ),
            Try(
                number=2,
                run=4,
                attempt=2,
                started=an_hour - timedelta(days=1),
                ended=an_hour,
                ending=TryEnding.CRASHED,
            ),
        ),
        returned='"so far"',
        progress=Progress(done=3, of=4.5, say="drei"),
        logs=(LogLine(at=an_hour, level="INFO", logger="mine", text="wörds\nand more"),),
        keeps=Keeps(result=True),
        key="welcome:7",
        retry=Retry(attempts=9, crashes=2),
        timeout=timedelta(seconds=1.5),
        deadline=an_hour + timedelta(days=2),
        trace='{"traceparent": "00-1-2-01"}',
        limit_key="ann",
        unique_for=timedelta(days=3),
        twins=(new_id(), new_id()),
        link=Link(
            chain=new_id(), source=((other := new_id()), (other,)), anyway=True, followed=True, given={other: '"ü"'}
        ),
    )
    return replace(task, **options)  # type: ignore[arg-type]  # as said


async def carry(source: TimedStore, target: TimedStore, *, limit: int = EVERYTHING, forgets: bool = True) -> list[Task]:
    """One batch, as a move carries it."""
    tasks = await source.hand_over(limit=limit)
    await target.receive(tasks)
    if forgets:
        assert set(await source.forget(ids_of(tasks))) == set(ids_of(tasks))
    return tasks


# As they are


async def test_a_task_comes_back_as_it_was(store: TimedStore):
    plain, full = a_full_task(), a_full_task()
    bare = Task(
        id=new_id(), name="n", arguments="{}", state=State.WAITING, queue="q", priority=0, due=full.due, added=full.due
    )
    assert await store.receive([plain, bare, full]) == ids_of([plain, bare, full])
    assert await store.hand_over(limit=10) == [plain, bare, full]


def test_a_full_task_has_something_in_every_field():
    bare = Task(id=new_id(), name="", arguments="", state=State.WAITING, queue="", priority=5, due=datetime.max.replace(
        tzinfo=UTC), added=datetime.max.replace(tzinfo=UTC))  # fmt: skip
    full = a_full_task()
    same = {field.name for field in fields(Task) if getattr(full, field.name) == getattr(bare, field.name)}
    assert same == NOT_OF_A_WAITING_TASK


async def test_they_are_stored_in_their_order_after_what_is_there(store: TimedStore):
    here = a_call()
    await store.add([here])
    coming = [a_full_task() for _ in range(300)]
    assert await store.receive(coming[:200]) == ids_of(coming[:200])
    assert await store.receive(coming[200:]) == ids_of(coming[200:])
    assert ids_of(await store.hand_over(limit=EVERYTHING)) == [here.id, *ids_of(coming)]


async def test_what_has_a_life_behind_it_is_carried_whole(store: TimedStore, other: TimedStore):
    source_worker = await sign_on(other)
    for ending in (Ending.RETRIED, Ending.AGAIN, Ending.RETURNED):
        running = await a_running_task(other, source_worker, retry=Retry(attempts=7), priority=3)
        await other.settle([outcome(running.claim, ending, delay=HOUR if ending is Ending.RETRIED else timedelta(0))])
    await other.add(some_calls(1, crashes=9, due=datetime(2040, 1, 1, tzinfo=UTC)))
    tasks = await carry(other, store)
    assert len(tasks) == 4
    assert await store.hand_over(limit=10) == tasks
    assert await other.find(Search(), limit=10) == []


async def test_runs_go_on_where_they_were(store: TimedStore, worker: WorkerId):
    [task] = tasks = [a_full_task(run=5, attempt=2, due=datetime(2020, 1, 1, tzinfo=UTC))]
    await store.receive(tasks)
    [claimed] = await claim_all(store, worker)
    assert (claimed.id, claimed.run, claimed.attempt) == (task.id, 6, 3)


async def test_crashes_go_on_being_counted(store: TimedStore, other: TimedStore):
    [call] = calls = [a_call(crashes=2)]
    await other.add(calls)
    await crash(other, call.id)
    await carry(other, store)
    store.clock_offset += HOUR
    await crash(store, call.id)
    assert (await the_task(store, call.id)).state is State.FAILED


async def test_a_received_task_wakes_a_worker(store: TimedStore, worker: WorkerId):
    await store.receive([a_full_task(due=datetime(2020, 1, 1, tzinfo=UTC), suspect=False)])
    assert await store.wait(worker, timeout=0, suspects=False) is Woken.READY


# What is stored already


async def test_the_same_tasks_again_change_nothing(store: TimedStore):
    tasks = [a_full_task(), a_full_task()]
    await store.receive(tasks)
    assert await store.receive([replace(tasks[0], run=1, queue="other"), (a_third := a_full_task())]) == [a_third.id]
    assert await store.receive(tasks) == []
    assert await store.hand_over(limit=10) == [*tasks, a_third]


async def test_an_id_twice_in_one_write_is_stored_once(store: TimedStore):
    task = a_full_task()
    assert await store.receive([task, replace(task, run=9)]) == [task.id]
    assert await store.hand_over(limit=10) == [task]


async def test_what_has_run_here_since_stays_as_it_is(store: TimedStore, worker: WorkerId):
    tasks = [a_full_task(due=datetime(2020, 1, 1, tzinfo=UTC), suspect=False) for _ in range(2)]
    await store.receive(tasks)
    claimed, ended = await claim_all(store, worker)
    running = await the_task(store, claimed.id)
    await store.settle([done(ended.claim)])
    assert await store.receive(tasks) == []
    assert (await the_task(store, ended.id)).state is State.DONE
    assert await the_task(store, claimed.id) == running


async def test_receiving_nothing_is_nothing(store: TimedStore):
    assert await store.receive([]) == []


# What cannot be received


@pytest.mark.parametrize("state", [state for state in State if state is not State.WAITING])
async def test_only_waiting_tasks_are_received(store: TimedStore, state: State):
    with pytest.raises(ValueError, match=f"only waiting tasks can be received.* {state}"):
        await store.receive([a_full_task(), a_full_task(state=state)])
    assert await store.hand_over(limit=10) == []


@pytest.mark.parametrize("part", ["name", "arguments", "queue", "key", "returned"])
async def test_a_text_that_no_store_can_keep_is_refused_with_all_that_came_with_it(store: TimedStore, part: str):
    with pytest.raises(CannotStore, match=part):
        await store.receive([a_full_task(), a_full_task(**{part: '"\x00"'})])
    assert await store.hand_over(limit=10) == []


async def test_a_priority_that_there_is_not_is_refused_with_all_that_came_with_it(store: TimedStore):
    with pytest.raises(CannotStore, match="priority"):
        await store.receive([a_full_task(), a_full_task(priority=11)])
    assert await store.hand_over(limit=10) == []


# Lines


async def test_a_line_that_comes_whole_runs_in_its_order(store: TimedStore, other: TimedStore, worker: WorkerId):
    line = a_line(4)
    await other.add(line)
    await carry(other, store)
    assert await run_all(store, worker) == ids_of(line)


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("forgets", [True, False])
async def test_a_line_that_comes_in_parts_runs_in_its_order(
    store: TimedStore, other: TimedStore, worker: WorkerId, cut: int, forgets: bool
):
    line = a_line(4)
    await other.add(line)
    await carry(other, store, limit=cut, forgets=forgets)
    await carry(other, store)
    assert [task.held for task in await store.hand_over(limit=10)] == [None, *[Hold.AFTER] * 3]
    assert await run_all(store, worker) == ids_of(line)


async def test_the_rest_of_a_line_whose_beginning_has_run_here_is_free(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    line = a_line(4)
    await other.add(line)
    await carry(other, store, limit=2)
    assert await run_all(store, worker) == ids_of(line[:2])
    await carry(other, store)
    assert await run_all(store, worker) == ids_of(line[2:])


async def test_the_rest_of_a_line_waits_while_its_beginning_runs_here(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    line = a_line(2)
    await other.add(line)
    await carry(other, store, limit=1)
    [head] = await claim_all(store, worker)
    await carry(other, store)
    assert await claim_all(store, worker) == []
    await end_all(store, [head])
    assert await run_all(store, worker) == [line[1].id]


async def test_a_line_is_not_stuck_where_its_beginning_never_comes(store: TimedStore, worker: WorkerId):
    orphan = a_full_task(
        held=Hold.AFTER, turn_over=False, attempt=0, due=datetime(2020, 1, 1, tzinfo=UTC), suspect=False
    )
    await store.receive([orphan])
    assert ids_of(await claim_all(store, worker)) == [orphan.id]


async def test_a_line_that_is_carried_there_and_back_runs_in_its_order(store: TimedStore, other: TimedStore):
    line = a_line(5)
    await other.add(line)
    await carry(other, store, limit=3)
    assert (await the_task(other, line[3].id)).held is None, "whoever stays must not be stuck"
    await carry(store, other)
    assert {task.id for task in await other.hand_over(limit=10)} == set(ids_of(line))
    heads = [task.id for task in await other.hand_over(limit=10) if task.held is None]
    assert heads == [line[3].id, line[0].id], "freed where it stayed, and in front of the others now"


async def test_a_task_to_be_tried_again_does_not_hold_up_its_follower(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    source_worker = await sign_on(other)
    line = a_line(3)
    await other.add(line)
    [head] = await claim_all(other, source_worker)
    await other.settle([outcome(head.claim, Ending.AGAIN, delay=HOUR)])
    await carry(other, store)
    assert await run_all(store, worker) == ids_of(line[1:])


async def test_what_stays_held_after_a_received_task_is_freed_by_its_cancelling(
    store: TimedStore, other: TimedStore, worker: WorkerId
):
    line = a_line(2)
    await other.add(line)
    await carry(other, store)
    await store.cancel([line[0].id])
    assert await run_all(store, worker) == [line[1].id]


# Names that no worker knew


async def test_what_is_held_as_unknown_stays_held_until_a_worker_comes_that_knows_it(
    store: TimedStore, worker: WorkerId
):
    task = a_full_task(held=Hold.UNKNOWN, due=datetime(2020, 1, 1, tzinfo=UTC), suspect=False)
    await store.receive([task])
    assert await store.unknown_names() == ["tests:work"]
    assert await claim_all(store, worker) == []
    knowing = await sign_on(store, "knowing", functions=("tests:work",))
    assert ids_of(await claim_all(store, knowing)) == [task.id]


async def test_what_is_held_as_unknown_is_freed_by_workers_that_look(store: TimedStore, worker: WorkerId):
    await store.receive([a_full_task(held=Hold.UNKNOWN, due=datetime(2020, 1, 1, tzinfo=UTC), suspect=False)])
    assert await store.free_unknown(await store.unknown_names()) == 1
    assert len(await claim_all(store, worker)) == 1


@pytest.mark.parametrize("hold", [Hold.LIMIT, Hold.RATE])
async def test_holds_of_the_other_store_alone_are_dropped(store: TimedStore, worker: WorkerId, hold: Hold):
    await store.receive([a_full_task(held=hold, due=datetime(2020, 1, 1, tzinfo=UTC), suspect=False)])
    assert len(await claim_all(store, worker)) == 1


async def run_all(store: TimedStore, worker: WorkerId) -> list[TaskId]:
    """Let the worker run what there is; in which order it did."""
    order: list[TaskId] = []
    while claimed := await claim_all(store, worker):
        order += ids_of(claimed)
        await end_all(store, claimed)
    return order
