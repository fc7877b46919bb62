from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import cast

import pytest

from afterwards.errors import CannotStore
from afterwards.schedules import Plan, Schedule, Steer, Tick
from afterwards.stores import store_for
from afterwards.tasks import Search, WorkerId
from tests.contract.builders import HOUR, MINUTE, SECOND, TimedStore, a_call, some_calls
from tests.contract.conftest import Clock

SWEEP = Plan(name="sweep", function="tests:sweep", line="*/5 * * * * UTC")
MAIL = Plan(name="mail", function="tests:mail", line="every 0:01:00")


async def planned(store: TimedStore, *plans: Plan) -> Schedule:
    """The first of these schedules, new in the store."""
    await store.plan(plans or [SWEEP], starting=True)
    return await the(store, (plans or [SWEEP])[0].name)


async def the(store: TimedStore, name: str) -> Schedule:
    schedule = (await store.agenda()).find(name)
    assert schedule is not None
    return schedule


def a_tick(schedule: Schedule, to: datetime | None = None, **options: object) -> Tick:
    """The next one of `schedule`, a minute after its last."""
    to = to or schedule.last + MINUTE
    given: dict[str, object] = {"calls": (a_call(due=to),), **options}
    return Tick(schedule=schedule.name, line=schedule.line, after=schedule.last, to=to, **given)  # type: ignore[arg-type]  # as said


async def count(store: TimedStore) -> int:
    return len(await store.find(Search(), limit=1000))


async def test_a_new_store_has_no_schedule_and_tells_its_clock(store: TimedStore, clock: Clock):
    before = await store.agenda()
    clock.advance(HOUR)
    after = await store.agenda()

    assert before.schedules == after.schedules == ()
    assert HOUR <= after.now - before.now < HOUR + MINUTE


async def test_a_new_schedule_counts_its_ticks_from_now(store: TimedStore):
    before = (await store.agenda()).now
    schedule = await planned(store)

    assert (schedule.name, schedule.function, schedule.line) == ("sweep", "tests:sweep", "*/5 * * * * UTC")
    assert before <= schedule.last == schedule.seen <= (await store.agenda()).now
    assert (schedule.paused, schedule.asked) == (False, False)


async def test_schedules_come_by_name(store: TimedStore):
    await planned(store, SWEEP, MAIL)

    assert [schedule.name for schedule in (await store.agenda()).schedules] == ["mail", "sweep"]


async def test_a_name_may_hold_anything_that_is_text(store: TimedStore):
    plan = Plan(name="Ümlaut '\"; 每天", function="tests:sweep", line="0 0 * * * UTC")

    assert (await planned(store, plan)).name == plan.name
    assert await store.steer(plan.name, Steer.FORGET)


async def test_what_is_spoken_of_again_goes_on_and_is_seen(store: TimedStore, clock: Clock):
    first = await planned(store)
    clock.advance(HOUR)
    await store.plan([SWEEP], starting=True)
    again = await the(store, "sweep")

    assert again.last == first.last
    assert again.seen - first.seen >= HOUR


async def test_of_two_versions_of_the_code_the_one_that_started_last_decides(store: TimedStore, clock: Clock):
    old = await planned(store)
    clock.advance(30 * SECOND)
    newer = Plan(name="sweep", function="tests:sweep", line="0 * * * * UTC")
    await store.plan([newer], starting=True)
    await store.plan([SWEEP], starting=False)
    schedule = await the(store, "sweep")

    assert schedule.line == newer.line
    assert schedule.last - old.last >= 30 * SECOND, "what came before is not caught up by the new line"


async def test_what_nobody_speaks_of_is_taken_over_after_a_minute(store: TimedStore, clock: Clock):
    await planned(store)
    other = Plan(name="sweep", function="tests:sweep", line="0 * * * * UTC")
    clock.advance(59 * SECOND)
    await store.plan([other], starting=False)
    assert (await the(store, "sweep")).line == SWEEP.line

    clock.advance(2 * SECOND)
    await store.plan([other], starting=False)

    assert (await the(store, "sweep")).line == other.line


async def test_a_tick_adds_its_calls_and_is_noted(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)
    tick = a_tick(schedule)

    assert await store.tick([tick]) == [tick.calls[0].id]

    [task] = await store.find(Search(), limit=10)
    assert (task.id, task.due) == (tick.calls[0].id, tick.to)
    assert (await the(store, "sweep")).last == tick.to


async def test_each_tick_is_made_once(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)

    assert len(await store.tick([a_tick(schedule)])) == 1
    assert await store.tick([a_tick(schedule)]) == []
    assert await store.tick([a_tick(schedule, schedule.last + 2 * MINUTE)]) == []
    assert await count(store) == 1


async def test_two_workers_at_the_same_moment_make_one_tick(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)
    made = await asyncio.gather(*(store.tick([a_tick(schedule)]) for _ in range(20)))

    assert sum(map(len, made)) == await count(store) == 1


async def test_several_stores_together_make_each_tick_once(store: TimedStore, url: str, clock: Clock):
    if url == "sqlite://":
        return  # a private file has one store
    others = [cast(TimedStore, store_for(url)) for _ in range(3)]
    for other in others:
        await other.open()
        other.clock_offset = 10 * HOUR
    clock.advance(10 * HOUR)
    try:
        await planned(store, SWEEP, MAIL)
        until = {schedule.name: schedule.last + 40 * SECOND for schedule in (await store.agenda()).schedules}
        await asyncio.gather(*(make_ticks(one, until) for one in [store, *others]))
        schedules = (await store.agenda()).schedules
    finally:
        for other in others:
            await other.close()

    assert {task.due for task in await store.find(Search(), limit=1000)} >= {schedule.last for schedule in schedules}
    assert await count(store) == len({(task.name, task.due) for task in await store.find(Search(), limit=1000)}) == 40


async def make_ticks(store: TimedStore, until: dict[str, datetime]) -> None:
    """As janitors do, one tick of each schedule after the other, two seconds apart."""
    for _ in range(100):
        agenda = await store.agenda()
        if all(schedule.last >= until[schedule.name] for schedule in agenda.schedules):
            return
        store.clock_offset += 2 * SECOND
        await store.tick(
            [
                a_tick(one, one.last + 2 * SECOND, calls=(a_call(name=one.name, due=one.last + 2 * SECOND),))
                for one in agenda.schedules
                if one.last < until[one.name]
            ]
        )
    raise AssertionError("the ticks never came to their end")


async def test_ticks_of_several_schedules_are_one_request(store: TimedStore, clock: Clock):
    sweep = await planned(store, SWEEP, MAIL)
    mail = await the(store, "mail")
    clock.advance(HOUR)
    await store.tick([a_tick(mail)])

    ids = await store.tick([a_tick(sweep), a_tick(mail)])

    assert len(ids) == 1
    assert await count(store) == 2


async def test_a_tick_may_catch_up_with_many_calls(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)
    calls = tuple(some_calls(100))

    assert await store.tick([a_tick(schedule, schedule.last + HOUR, calls=calls)]) == [call.id for call in calls]
    assert await count(store) == 100


async def test_a_tick_that_is_still_to_come_is_not_made(store: TimedStore):
    schedule = await planned(store)

    assert await store.tick([a_tick(schedule, schedule.last + HOUR)]) == []
    assert await count(store) == 0


async def test_a_tick_of_another_line_is_not_made(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)

    assert await store.tick([a_tick(replace(schedule, line="0 * * * * UTC"))]) == []
    assert await store.tick([a_tick(replace(schedule, name="nobody"))]) == []
    assert await count(store) == 0


async def test_a_paused_schedule_does_not_tick_and_goes_on_from_now_when_resumed(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    assert await store.steer("sweep", Steer.PAUSE)
    assert (await the(store, "sweep")).paused
    clock.advance(HOUR)
    assert await store.tick([a_tick(schedule)]) == []

    assert await store.steer("sweep", Steer.RESUME)
    resumed = await the(store, "sweep")

    assert not resumed.paused
    assert resumed.last - schedule.last >= HOUR
    assert await store.tick([a_tick(schedule)]) == []


async def test_a_schedule_that_is_not_paused_misses_nothing_when_it_is_resumed(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)

    assert await store.steer("sweep", Steer.RESUME)
    assert (await the(store, "sweep")).last == schedule.last


async def test_a_pause_outlives_a_new_line(store: TimedStore):
    await planned(store)
    await store.steer("sweep", Steer.PAUSE)
    await store.plan([Plan(name="sweep", function="tests:sweep", line="0 * * * * UTC")], starting=True)

    assert (await the(store, "sweep")).paused


async def test_a_schedule_runs_by_hand_once_for_each_time_it_is_asked_also_when_paused(store: TimedStore):
    schedule = await planned(store)
    await store.steer("sweep", Steer.PAUSE)
    assert await store.tick([a_tick(schedule, calls=(a_call(),), by_hand=True)]) == []

    assert await store.steer("sweep", Steer.RUN)
    assert (await the(store, "sweep")).asked
    made = await asyncio.gather(*(store.tick([a_tick(schedule, calls=(a_call(),), by_hand=True)]) for _ in range(5)))

    assert sum(map(len, made)) == await count(store) == 1
    after = await the(store, "sweep")
    assert (after.asked, after.last) == (False, schedule.last)


async def test_what_is_forgotten_ticks_no_more(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)

    assert await store.steer("sweep", Steer.FORGET)
    assert (await store.agenda()).schedules == ()
    assert await store.tick([a_tick(schedule)]) == []


async def test_nobody_can_steer_what_is_not_there(store: TimedStore):
    assert [await store.steer("nobody", how) for how in Steer] == [False, False, False, False]
    assert (await store.agenda()).schedules == ()


async def test_a_tick_wakes_who_waits(store: TimedStore, clock: Clock, worker: WorkerId):
    schedule = await planned(store)
    clock.advance(HOUR)
    waiting = asyncio.create_task(store.wait(worker, timeout=30, suspects=True))
    await store.tick([a_tick(schedule)])

    async with asyncio.timeout(5):
        assert await waiting == "ready"


async def test_a_tick_with_a_call_that_cannot_be_stored_changes_nothing(store: TimedStore, clock: Clock):
    schedule = await planned(store)
    clock.advance(HOUR)
    bad = a_call(queue="a\x00b")
    with pytest.raises(CannotStore, match="NUL"):
        await store.tick([a_tick(schedule, calls=(bad,))])

    assert (await the(store, "sweep")).last == schedule.last
