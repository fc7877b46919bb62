"""Noting how far running tasks are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from afterwards.outcomes import Ending, done
from afterwards.tasks import Claim, LogLine, Note, Progress, WorkerId
from tests.contract.builders import (
    HOUR,
    TimedStore,
    a_call,
    a_running_task,
    claim_all,
    crash,
    outcome,
    sign_on,
    some_calls,
    the_task,
)

HALF = Progress(done=5, of=10, say="hälf, “quoted”")


async def test_a_note_is_seen_while_the_task_runs_and_the_later_one_counts(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    assert (await the_task(store, running.id)).progress is None
    first = Note(claim=running.claim, progress=Progress(done=0.5))
    assert await store.note([first, Note(claim=running.claim, progress=HALF)]) == [running.claim]
    assert (await the_task(store, running.id)).progress == HALF
    await store.note([first])
    assert (await the_task(store, running.id)).progress == Progress(done=0.5)


async def test_many_runs_are_noted_in_one_write(store: TimedStore, worker: WorkerId):
    await store.add(some_calls(300))
    claims = [task.claim for task in await claim_all(store, worker)]
    notes = [Note(claim=claim, progress=Progress(done=at)) for at, claim in enumerate(claims)]
    assert set(await store.note(notes)) == set(claims)
    assert (await the_task(store, claims[170].id)).progress == Progress(done=170)


async def test_nothing_to_note_is_harmless(store: TimedStore):
    assert await store.note([]) == []


@pytest.mark.parametrize("ending", [None, Ending.DONE, Ending.RETURNED])
async def test_a_claim_that_does_not_hold_changes_nothing(store: TimedStore, worker: WorkerId, ending: Ending | None):
    running = await a_running_task(store, worker)
    claims = [replace(running.claim, run=2), replace(running.claim, worker=WorkerId("other"))]
    if ending is not None:
        await store.settle([outcome(running.claim, ending)])
        claims.append(running.claim)
    unknown = Claim(id=a_call().id, run=1, worker=worker)
    assert await store.note([Note(claim=claim, progress=HALF) for claim in [*claims, unknown]]) == []
    assert (await the_task(store, running.id)).progress is None


async def test_one_that_does_not_hold_does_not_cost_the_others(store: TimedStore, worker: WorkerId):
    one, two = await a_running_task(store, worker), await a_running_task(store, worker)
    await store.settle([done(one.claim)])
    assert await store.note([Note(claim=task.claim, progress=HALF) for task in (one, two)]) == [two.claim]


async def test_the_last_progress_is_kept_at_the_end_and_that_of_the_outcome_wins(store: TimedStore, worker: WorkerId):
    one, two = await a_running_task(store, worker), await a_running_task(store, worker)
    await store.note([Note(claim=task.claim, progress=HALF) for task in (one, two)])
    full = Progress(done=10, of=10)
    await store.settle([done(one.claim), replace(done(two.claim), progress=full)])
    assert (await the_task(store, one.id)).progress == HALF
    assert (await the_task(store, two.id)).progress == full


async def test_the_next_claim_forgets_it(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED, progress=HALF)])
    assert (await the_task(store, running.id)).progress == HALF, "how far the try came that failed"
    [again] = await claim_all(store, worker)
    assert again.progress is None
    assert (await the_task(store, running.id)).progress is None


async def test_a_rescue_keeps_it_until_the_next_claim(store: TimedStore):
    casualty = await sign_on(store, "casualty")
    running = await a_running_task(store, casualty)
    await store.note([Note(claim=running.claim, progress=HALF)])
    [rescued] = await store.rescue(known_dead=[casualty], expired=False, limit=10)
    assert rescued.progress == HALF
    await crash(store, running.id)
    assert (await the_task(store, running.id)).progress is None


async def test_a_persons_retry_forgets_progress_and_logs(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    logs = (LogLine(at=running.added, level="INFO", logger="mine", text="begun"),)
    await store.settle([outcome(running.claim, Ending.FAILED, progress=HALF, logs=logs)])
    assert (await the_task(store, running.id)).logs == logs
    await store.retry([running.id])
    task = await the_task(store, running.id)
    assert (task.progress, task.logs) == (None, ())


async def test_what_no_store_can_keep_is_noted_without_that(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    await store.note([Note(claim=running.claim, progress=Progress(done=1, say="a\0b\ud800c"))])
    assert (await the_task(store, running.id)).progress == Progress(done=1, say="a?b?c")


async def test_logs_stay_until_a_later_run_brings_others(store: TimedStore, worker: WorkerId):
    running = await a_running_task(store, worker)
    logs = (
        LogLine(at=running.added, level="WARNING", logger="a.b", text="tröuble\nin two lines"),
        LogLine(at=running.added + HOUR, level="INFO", logger="a", text="a\0b"),
    )
    await store.settle([outcome(running.claim, Ending.RETRIED, logs=logs)])
    kept = (await the_task(store, running.id)).logs
    assert kept == (logs[0], replace(logs[1], text="a?b"))
    [again] = await claim_all(store, worker)
    await store.settle([outcome(again.claim, Ending.RETRIED)])
    assert (await the_task(store, running.id)).logs == kept
    [again] = await claim_all(store, worker)
    await store.settle([done(again.claim, result="1")])
    last = await the_task(store, running.id)
    assert (last.logs, last.returned) == (kept, "1")
