"""Finding tasks by their error, their key, and when they were added."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.outcomes import Ending
from afterwards.tasks import Failure, Search, State, TaskId, WorkerId
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    TimedStore,
    a_call,
    a_running_task,
    claim_all,
    ids_of,
    outcome,
    some_calls,
    the_task,
)

HOSTILE_KIND = 'shop.mail."Quoted\\.Ünusual<locals>'


async def ended_with(
    store: TimedStore, worker: WorkerId, kind: str, *, ending: Ending = Ending.FAILED, **options: object
) -> TaskId:
    """A task whose run ended so, with an error of this class."""
    task = await a_running_task(store, worker, **options)
    failure = Failure(kind=kind, message=f'{{"kind": "not.this.One"}} {kind}', traceback="File ...")
    await store.settle([outcome(task.claim, ending, error=failure)])
    return task.id


async def found(store: TimedStore, **search: object) -> list[TaskId]:
    return ids_of(await store.find(replace(Search(), **search), limit=EVERYTHING))  # type: ignore[arg-type]  # as said


# By error


async def test_a_class_is_found_by_its_whole_name_and_by_its_bare_one_in_any_module(
    store: TimedStore, worker: WorkerId
):
    built_in = await ended_with(store, worker, "TimeoutError")
    theirs = await ended_with(store, worker, "playwright.sync.TimeoutError")
    nested = await ended_with(store, worker, "shop.Mail.TimeoutError")
    await ended_with(store, worker, "shop.NotATimeoutError")
    await ended_with(store, worker, "TimeoutErrors")
    await store.add([a_call(delay=HOUR)])
    assert await found(store, error="TimeoutError") == [nested, theirs, built_in]
    assert await found(store, error="playwright.sync.TimeoutError") == [theirs]
    assert await found(store, error="sync.TimeoutError") == [], "a name with a dot is the whole name"
    assert await found(store, error="timeouterror") == [], "to the letter"
    assert await found(store, error="%Error") == []
    assert await found(store, error="") == []


@pytest.mark.parametrize("kind", [HOSTILE_KIND, "a" * 200, "main.f.<locals>.Oops", "名前.エラー", "arguments"])
async def test_whatever_the_class_is_called_it_is_found(store: TimedStore, worker: WorkerId, kind: str):
    task = await ended_with(store, worker, kind)
    await ended_with(store, worker, "Other")
    assert await found(store, error=kind) == [task]
    assert (await the_task(store, task)).error is not None


async def test_the_last_error_counts_whatever_the_state(store: TimedStore, worker: WorkerId):
    retried = await ended_with(store, worker, "Oops", ending=Ending.RETRIED)
    failed = await ended_with(store, worker, "Oops")
    done = await ended_with(store, worker, "Oops", ending=Ending.DONE)
    assert await found(store, error="Oops") == [done, failed, retried]
    assert await found(store, error="Oops", state=State.FAILED) == [failed]
    assert await found(store, error="Oops", state=State.WAITING) == [retried]
    assert await found(store, error="Oops", state=State.CANCELLED) == []
    [running] = await claim_all(store, worker)
    assert await found(store, error="Oops", state=State.RUNNING) == [running.id] == [retried]
    await store.settle([outcome(running.claim, Ending.DONE)])
    assert await found(store, error="Oops") == [done, failed], "done without an error"
    await store.retry([failed])
    assert await found(store, error="Oops") == [done], "a person's retry forgets the error"


async def test_an_error_is_sought_together_with_all_else(store: TimedStore, worker: WorkerId):
    mail = await ended_with(store, worker, "Oops", queue="mail", name="a:f")
    slow = await ended_with(store, worker, "m.Oops", queue="slow", name="b:f", key="k")
    assert await found(store, error="Oops", queue="mail") == [mail]
    assert await found(store, error="Oops", name="b:f") == [slow]
    assert await found(store, error="Oops", key="k") == [slow]
    assert await found(store, error="Oops", ids=(mail,)) == [mail]
    assert await found(store, error="m.Oops", ids=(mail,)) == []
    assert await found(store, error="m.Oops", key="k", state=State.FAILED, queue="slow", name="b:f") == [slow]


async def test_pages_of_one_error_follow_each_other_without_gap_or_repetition(store: TimedStore, worker: WorkerId):
    wanted = [await ended_with(store, worker, f"{'mod.' * (n % 3)}Oops") for n in range(10)]
    for kind in ("Alas", "Zounds"):
        await ended_with(store, worker, kind)
    pages: list[TaskId] = []
    while page := await store.find(Search(error="Oops"), limit=3, after=pages[-1] if pages else None):
        pages += ids_of(page)
    assert pages == wanted[::-1]


# By key


async def test_a_key_finds_who_holds_it_and_who_held_it(store: TimedStore, worker: WorkerId):
    before = await ended_with(store, worker, "Oops", key="k")
    [other, holder] = [a_call(key="k", name="other:f"), a_call(key="k")]
    await store.add([other, holder, a_call(key="K"), a_call()])
    assert await found(store, key="k") == [holder.id, other.id, before]
    assert await found(store, key="k", name="other:f") == [other.id]
    assert await found(store, key="k", state=State.FAILED) == [before]
    assert await found(store, key="k", ids=(before, other.id)) == [other.id, before]
    assert await found(store, key="nobody's") == []
    assert await found(store, key="") == []


async def test_a_twin_is_found_as_the_task_it_names(store: TimedStore):
    holder, twin = a_call(key="k"), a_call(key="k")
    await store.add([holder])
    await store.add([twin])
    assert await found(store, key="k") == [holder.id]
    assert await found(store, key="k", ids=(twin.id,)) == [holder.id]


# By when it was added


async def test_the_first_instant_is_included_and_the_second_is_not(store: TimedStore):
    calls = some_calls(3)
    for call in calls:
        await store.add([call])
        store.clock_offset += HOUR
    added = [(await the_task(store, call.id)).added for call in calls]
    assert await found(store, added_after=added[1]) == ids_of(calls[:0:-1])
    assert await found(store, added_after=added[1] + timedelta(microseconds=1)) == [calls[2].id]
    assert await found(store, added_before=added[1]) == [calls[0].id]
    assert await found(store, added_after=added[1], added_before=added[2]) == [calls[1].id]
    assert await found(store, added_after=added[1], added_before=added[1]) == []
    assert await found(store, added_after=added[1], state=State.WAITING, ids=(calls[2].id,)) == [calls[2].id]


async def test_any_instant_in_any_zone_can_be_asked_for(store: TimedStore):
    await store.add([call := a_call()])
    added = (await the_task(store, call.id)).added
    elsewhere = added.astimezone(datetime.now().astimezone().tzinfo)
    assert await found(store, added_after=elsewhere) == [call.id]
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert await found(store, added_after=first, added_before=last) == [call.id]
    assert await found(store, added_after=last) == await found(store, added_before=first) == []


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.DONE, None])
async def test_a_time_narrows_every_state(store: TimedStore, worker: WorkerId, state: State | None):
    early = [await ended_with(store, worker, "Oops", ending=ending) for ending in (Ending.FAILED, Ending.DONE)]
    early += [await ended_with(store, worker, "Oops", ending=Ending.CANCELLED)]
    store.clock_offset += HOUR
    late = await ended_with(store, worker, "Oops", ending=Ending(state or State.FAILED))
    since = (await the_task(store, late)).added
    assert await found(store, state=state, added_after=since) == [late]
    assert late not in await found(store, state=state, added_before=since)
    assert set(await found(store, state=state, added_before=since)) <= set(early)


async def test_what_is_rare_is_found_behind_thousands_of_others(store: TimedStore, worker: WorkerId):
    rare = await ended_with(store, worker, "Rare", key="rare")
    since = (await the_task(store, rare)).added + timedelta(seconds=1)
    store.clock_offset += HOUR
    await store.add(some_calls(2_500, key=None))
    await store.settle(
        [outcome(task.claim, Ending.CANCELLED) for task in await store.claim(worker, limit=50, suspects=True)]
    )
    for search in (Search(error="Rare"), Search(key="rare"), Search(added_before=since)):
        assert ids_of(await store.find(search, limit=10)) == [rare]
