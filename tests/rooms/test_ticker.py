"""Schedules from the decorator to the task: what ticks, when, and what does not, on real stores of one file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from afterwards import Afterwards, Retry, Task
from afterwards.errors import CannotName
from afterwards.events import Event, LoopFailed
from afterwards.schedules import Schedule
from afterwards.timetable import SPEAK_EVERY, Ticker
from tests.contract.builders import TimedStore
from tests.rooms.builders import url_in

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NAME = f"{__name__}:sweep"


async def sweep(region: str = "all") -> None:
    """What the schedules call."""


async def count(first: int) -> None:
    """Takes a number."""


@pytest.fixture
async def afterwards(tmp_path: Path) -> AsyncIterator[Afterwards]:
    afterwards = Afterwards(url=url_in(tmp_path), worker=False)
    async with afterwards.opened():
        yield afterwards


def a_ticker(afterwards: Afterwards) -> Ticker:
    house = afterwards.house
    return Ticker(house.store, house.timetable, house.registry, house.events)


def store_of(afterwards: Afterwards) -> TimedStore:
    return cast(TimedStore, afterwards.house.store)


async def ticked(afterwards: Afterwards, after: timedelta, ticker: Ticker | None = None) -> list[Task]:
    """The tasks that are there once so much time has passed since the schedules were planned, the oldest first."""
    ticker = ticker or a_ticker(afterwards)
    await ticker.round()
    store_of(afterwards).clock_offset += after
    await ticker.round()
    return (await afterwards.find(limit=1000))[::-1]


async def only(afterwards: Afterwards) -> Schedule:
    [schedule] = await afterwards.schedules.list()
    return schedule


async def test_a_new_schedule_does_not_tick_before_its_time(afterwards: Afterwards):
    afterwards.every(days=1)(sweep)
    assert await ticked(afterwards, 23 * HOUR) == []


async def test_a_tick_is_a_task_that_is_due_at_its_instant(afterwards: Afterwards):
    afterwards.every("0 * * * *", arguments={"region": "eu"}, queue="night", priority=2, retry=Retry.never)(sweep)
    [task] = await ticked(afterwards, HOUR)

    assert (task.name, task.arguments, task.queue, task.priority) == (NAME, '{"region":"eu"}', "night", 2)
    assert task.retry == Retry.never
    assert (task.due.minute, task.due.second, task.due.microsecond) == (0, 0, 0)


async def test_options_of_the_function_hold_for_its_ticks(afterwards: Afterwards):
    afterwards.every(hours=1)(afterwards.task(name="clean", queue="slow")(sweep))
    [task] = await ticked(afterwards, HOUR)

    assert (task.name, task.queue) == ("clean", "slow")
    assert (await only(afterwards)).name == "clean"


async def test_many_workers_make_each_tick_once(afterwards: Afterwards):
    afterwards.every(timedelta(minutes=1))(sweep)
    tickers = [a_ticker(afterwards) for _ in range(5)]
    for ticker in tickers:
        await ticker.round()
    for _ in range(20):
        store_of(afterwards).clock_offset += MINUTE
        for ticker in tickers:
            await ticker.round()
    dues = [task.due for task in await afterwards.find(limit=1000)]

    assert len(dues) == len(set(dues)) == 20


@pytest.mark.parametrize("month", [3, 10])
async def test_two_hundred_ticks_over_a_change_of_the_clocks_by_workers_that_come_and_go(
    afterwards: Afterwards, month: int
):
    change = datetime(2030, month, 31 if month == 3 else 27, 1, tzinfo=UTC)
    store_of(afterwards).clock_offset = change - 50 * HOUR - datetime.now(UTC)
    afterwards.every("*/30 * * * *", tz="Europe/Berlin")(sweep)
    tickers = [a_ticker(afterwards) for _ in range(4)]
    await asyncio.gather(*(ticker.round() for ticker in tickers))
    for step in range(200):
        store_of(afterwards).clock_offset += 30 * MINUTE
        tickers[step % 4] = a_ticker(afterwards)  # as one that is started in place of one that was killed
        await asyncio.gather(*(ticker.round() for ticker in tickers))
    dues = sorted(task.due for task in await afterwards.find(limit=1000))

    assert [later - earlier for earlier, later in pairwise(dues)] == [30 * MINUTE] * 199
    assert dues[0] < change < dues[-1]


async def test_after_a_long_absence_the_latest_tick_is_made_and_no_other(afterwards: Afterwards):
    afterwards.every(minutes=1)(sweep)
    assert len(await ticked(afterwards, 30 * DAY)) == 1


async def test_missed_ticks_are_caught_up_if_that_is_wanted_but_not_without_end(afterwards: Afterwards):
    afterwards.every(minutes=1, catch_up=True)(sweep)
    tasks = await ticked(afterwards, timedelta(minutes=7, seconds=30))
    assert len(tasks) == 7
    assert [later.due - earlier.due for earlier, later in pairwise(tasks)] == [MINUTE] * 6

    assert len(await ticked(afterwards, 30 * DAY)) == 7 + 100


async def test_a_clock_that_goes_back_repeats_no_tick(afterwards: Afterwards):
    afterwards.every(minutes=1, catch_up=True)(sweep)
    before = len(await ticked(afterwards, HOUR))
    assert len(await ticked(afterwards, -HOUR)) == before
    assert len(await ticked(afterwards, HOUR - timedelta(seconds=5))) == before


async def test_several_schedules_of_one_function_have_names_of_their_own(afterwards: Afterwards):
    afterwards.every(hours=1, name="eu", arguments={"region": "eu"})(sweep)
    afterwards.every(hours=2, name="us", arguments={"region": "us"})(sweep)
    with pytest.raises(ValueError, match=r"two schedules are named 'us'.*Give one another name="):
        afterwards.every(hours=3, name="us")(sweep)

    tasks = await ticked(afterwards, 2 * HOUR)

    assert sorted(task.arguments for task in tasks) == ['{"region":"eu"}', '{"region":"us"}']
    assert [schedule.name for schedule in await afterwards.schedules.list()] == ["eu", "us"]


async def test_a_paused_schedule_does_not_tick_and_then_goes_on(afterwards: Afterwards):
    afterwards.every(hours=1)(sweep)
    ticker = a_ticker(afterwards)
    await ticker.round()
    assert await afterwards.schedules.pause(NAME)
    assert await ticked(afterwards, 5 * HOUR, ticker) == []
    paused = await only(afterwards)
    assert (paused.paused, paused.next) == (True, None)

    assert await afterwards.schedules.resume(NAME)
    assert await ticked(afterwards, 59 * MINUTE, ticker) == []
    assert len(await ticked(afterwards, 2 * MINUTE, ticker)) == 1


async def test_a_schedule_runs_by_hand_also_when_it_is_paused_and_its_ticks_stay(afterwards: Afterwards):
    afterwards.every(hours=1, arguments={"region": "eu"})(sweep)
    ticker = a_ticker(afterwards)
    await ticker.round()
    before = await only(afterwards)
    await afterwards.schedules.pause(NAME)
    assert await afterwards.schedules.run(NAME)
    for _ in range(3):
        await ticker.round()
    [task] = await afterwards.find()

    assert task.arguments == '{"region":"eu"}'
    assert (await only(afterwards)).last == before.last


async def test_code_that_does_not_know_a_schedule_leaves_it_alone(afterwards: Afterwards, tmp_path: Path):
    afterwards.every(hours=1)(sweep)
    await a_ticker(afterwards).round()
    newer = Afterwards(url=url_in(tmp_path), worker=False)
    newer.every(hours=1, name="other")(sweep)
    async with newer.opened():
        tasks = await ticked(newer, 3 * HOUR)
        known = {schedule.name: schedule.unknown for schedule in await newer.schedules.list()}
        assert len(tasks) == 1
        assert known == {"other": False, NAME: True} or known == {"other": True, NAME: True}
        assert await newer.schedules.forget(NAME)
        assert [schedule.name for schedule in await newer.schedules.list()] == ["other"]


async def test_a_worker_with_an_older_line_makes_no_ticks(afterwards: Afterwards, tmp_path: Path):
    afterwards.every(hours=1)(sweep)
    old = a_ticker(afterwards)
    await old.round()
    newer = Afterwards(url=url_in(tmp_path), worker=False)
    newer.every(hours=6)(sweep)
    async with newer.opened():
        await a_ticker(newer).round()

    assert await ticked(afterwards, 2 * HOUR, old) == []


async def test_one_that_is_forgotten_comes_back_while_its_code_lives(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    afterwards.every(hours=1)(sweep)
    ticker = a_ticker(afterwards)
    await ticker.round()
    await afterwards.schedules.forget(NAME)
    await ticker.round()
    assert await afterwards.schedules.list() == ()

    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + SPEAK_EVERY)
    await ticker.round()

    assert (await only(afterwards)).name == NAME


async def test_a_call_that_cannot_be_made_is_said_once_and_the_other_schedules_go_on(afterwards: Afterwards):
    said: list[Event] = []
    afterwards.hear(said.append, LoopFailed)
    afterwards.every(hours=1, name="bad", arguments={"first": object()})(count)
    afterwards.every(hours=1, name="good")(sweep)
    ticker = a_ticker(afterwards)
    tasks = await ticked(afterwards, HOUR, ticker)
    await ticked(afterwards, HOUR, ticker)

    assert [task.name for task in tasks] == [NAME]
    assert [cast(LoopFailed, event).loop for event in said] == ["schedule bad"]


async def test_nobody_steers_what_is_not_there(afterwards: Afterwards):
    schedules = afterwards.schedules
    assert [await verb("nobody") for verb in (schedules.pause, schedules.resume, schedules.run, schedules.forget)] == [
        False
    ] * 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "takes a cron line"),
        ({"cron": "* * * * * *"}, "five fields"),
        ({"cron": "* * * * *", "tz": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"cron": "* * * * *", "minutes": 5}, "give one of them"),
        ({"minutes": 5, "tz": "UTC"}, "give one of them"),
        ({"cron": timedelta(hours=1), "minutes": 5}, "leave out minutes"),
        ({"seconds": -1}, "once a second"),
        ({"seconds": 0.5}, "once a second"),
        ({"seconds": float("nan")}, "takes numbers of seconds"),
        ({"minutes": "five"}, "takes numbers of minutes"),
        ({"cron": 5}, "takes a cron line"),
        ({"hours": 1, "name": ""}, "name takes a name"),
        ({"hours": 1, "catch_up": 1}, "catch_up is True or False"),
        ({"hours": 1, "priority": 10}, "priority"),
        ({"hours": 1, "queue": " "}, "queue"),
        ({"hours": 1, "retry": 3}, "retry"),
    ],
)
async def test_nonsense_is_refused_where_it_stands(afterwards: Afterwards, arguments: dict[str, Any], says: str):
    every: Callable[..., Any] = afterwards.every
    with pytest.raises(ValueError, match=says):
        every(**arguments)(sweep)
    assert afterwards.house.timetable.entries == {}


async def test_arguments_that_the_function_does_not_take_are_refused(afterwards: Afterwards):
    with pytest.raises(TypeError, match="unexpected keyword argument 'country'"):
        afterwards.every(hours=1, arguments={"country": "de"})(sweep)


async def test_a_lambda_has_no_schedule(afterwards: Afterwards):
    with pytest.raises(CannotName):
        afterwards.every(hours=1)(lambda: None)


async def test_a_worker_makes_the_ticks_of_its_app(tmp_path: Path):
    afterwards = Afterwards(url=url_in(tmp_path))
    afterwards.every(seconds=1)(sweep)
    async with afterwards.opened(worker=True):
        async with asyncio.timeout(20):
            while len(found := await afterwards.find(state="done")) < 3:
                await asyncio.sleep(0.05)
    dues = sorted(task.due for task in found)
    assert {later - earlier for earlier, later in pairwise(dues)} == {timedelta(seconds=1)}
