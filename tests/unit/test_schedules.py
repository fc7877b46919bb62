from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from afterwards.schedules import Agenda, Cron, Interval, Schedule, shown, ticks_to_make, when

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def cron(line: str, zone: str = "UTC") -> Cron:
    return Cron(line=line, zone=ZoneInfo(zone))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # the parts of a datetime


def one_by_one(cron: Cron, first: datetime, count: int) -> list[datetime]:
    """As the janitor goes: each found anew from the one before."""
    ticks = [first]
    while len(ticks) <= count:
        ticks.append(next(cron.after(ticks[-1])))
    return ticks[1:]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        # Clocks go from 3:00 back to 2:00, at 1:00 UTC: 2:30 comes twice, and ticks in the first.
        (
            "Europe/Berlin",
            utc(2026, 10, 24),
            [utc(2026, 10, 24, 0, 30), utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)],
        ),
        # Clocks go from 2:00 on to 3:00, at 1:00 UTC: 2:30 does not come, and ticks at 3:00.
        ("Europe/Berlin", utc(2026, 3, 28), [utc(2026, 3, 28, 1, 30), utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]),
        (
            "America/New_York",
            utc(2026, 3, 7, 12),
            [utc(2026, 3, 8, 7), utc(2026, 3, 9, 6, 30), utc(2026, 3, 10, 6, 30)],
        ),
    ],
)
def test_a_fixed_hour_ticks_once_a_day_over_a_change_of_the_clocks(
    zone: str, start: datetime, expected: list[datetime]
):
    assert list(islice(cron("30 2 * * *", zone).after(start), 3)) == expected
    assert one_by_one(cron("30 2 * * *", zone), start, 3) == expected


def test_an_hour_that_comes_twice_ticks_in_the_first_in_new_york_too():
    ticks = one_by_one(cron("30 1 * * *", "America/New_York"), utc(2026, 10, 31, 12), 2)

    assert ticks == [utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    "start", [utc(2026, 10, 24, 22), utc(2026, 11, 1, 3), utc(2026, 3, 28, 22), utc(2026, 3, 8, 3)]
)
def test_what_ticks_by_the_minute_goes_on_evenly_over_a_change_of_the_clocks(zone: str, start: datetime):
    ticks = one_by_one(cron("*/10 * * * *", zone), start, 60)

    assert ticks == [start + number * 10 * MINUTE for number in range(1, 61)]


def test_nothing_ticks_before_the_instant_from_within_the_second_of_two_hours():
    assert next(cron("30 2 * * *", "Europe/Berlin").after(utc(2026, 10, 25, 1, 10))) == utc(2026, 10, 26, 1, 30)


def test_the_29th_of_february_ticks_in_leap_years():
    ticks = islice(cron("0 0 29 2 *").after(utc(2023, 1, 1)), 2)

    assert list(ticks) == [utc(2024, 2, 29), utc(2028, 2, 29)]


def test_the_same_hour_is_another_instant_in_another_zone():
    assert next(cron("0 9 * * *", "Asia/Shanghai").after(utc(2026, 1, 1))) == utc(2026, 1, 1, 1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("* * * * * *", "five fields .* not 6"),
        ("* * * *", "five fields .* not 4"),
        ("", "five fields .* not 0"),
        ("@daily", "five fields"),
        ("61 * * * *", "Bad minute"),
        ("* 25 * * *", "Bad hour"),
        ("a * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("*/0 * * * *", "Bad minute"),
    ],
)
def test_what_is_no_cron_line_is_refused_in_words(line: str, says: str):
    with pytest.raises(ValueError, match=says):
        cron(line)


def test_a_time_zone_that_nobody_knows_is_refused_in_words():
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus' is known here"):
        when("* * * * *", tz="Mars/Olympus", interval=None)
    with pytest.raises(ValueError, match=r"tz takes the name of a time zone, such as 'Europe/Berlin', not 7"):
        when("* * * * *", tz=7, interval=None)
    with pytest.raises(ValueError, match=r"no time zone '\.\./etc/passwd'"):
        when("* * * * *", tz="../etc/passwd", interval=None)


def test_a_schedule_says_one_thing_about_when():
    with pytest.raises(ValueError, match="give one of them"):
        when("* * * * *", tz=None, interval=MINUTE)
    with pytest.raises(ValueError, match="give one of them"):
        when(None, tz="UTC", interval=MINUTE)
    with pytest.raises(ValueError, match="every\\(\\) takes a cron line"):
        when(None, tz=None, interval=None)


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=-5), timedelta(milliseconds=999)])
def test_an_interval_is_a_second_at_least(step: timedelta):
    with pytest.raises(ValueError, match="once a second"):
        Interval(step=step)


def test_an_interval_counts_from_the_last_tick():
    assert list(islice(Interval(step=HOUR).after(NOON), 2)) == [NOON + HOUR, NOON + 2 * HOUR]


@pytest.mark.parametrize("schedule", [cron("* * * * *"), Interval(step=MINUTE)])
def test_of_missed_ticks_the_latest_is_made(schedule: Cron | Interval):
    now = NOON + DAY + timedelta(seconds=30)

    assert ticks_to_make(schedule, last=NOON, now=now, catch_up=False) == [NOON + DAY]


@pytest.mark.parametrize("schedule", [cron("* * * * *"), Interval(step=MINUTE)])
def test_missed_ticks_are_caught_up_the_latest_hundred_of_them(schedule: Cron | Interval):
    now = NOON + 365 * DAY

    ticks = ticks_to_make(schedule, last=NOON, now=now, catch_up=True)

    assert ticks == [now - number * MINUTE for number in range(99, -1, -1)]


def test_ticks_that_are_on_time_are_all_made():
    now = NOON + timedelta(seconds=3.5)

    ticks = ticks_to_make(Interval(step=timedelta(seconds=1)), last=NOON, now=now, catch_up=False)

    assert ticks == [NOON + timedelta(seconds=number) for number in (1, 2, 3)]


@pytest.mark.parametrize("schedule", [cron("0 0 * * *"), Interval(step=DAY)])
@pytest.mark.parametrize("now", [NOON, NOON - DAY, NOON + timedelta(minutes=1)])
def test_nothing_ticks_before_its_time_nor_after_the_clock_went_back(schedule: Cron | Interval, now: datetime):
    assert ticks_to_make(schedule, last=NOON, now=now, catch_up=True) == []


def test_a_rare_tick_is_found_years_later():
    assert ticks_to_make(cron("0 0 29 2 *"), last=utc(2024, 1, 1), now=utc(2027, 6, 1), catch_up=False) == [
        utc(2024, 2, 29)
    ]


def as_shown(line: str, now: datetime, *, paused: bool = False) -> Schedule:
    schedule = Schedule(name="sweep", function="main:sweep", line=line, last=NOON, seen=NOON, paused=paused)
    [only] = shown(Agenda(now=now, schedules=(schedule,)))
    return only


def test_a_schedule_that_nobody_speaks_of_is_unknown():
    assert not as_shown("* * * * * UTC", NOON + MINUTE).unknown
    assert as_shown("* * * * * UTC", NOON + 3 * MINUTE).unknown


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (cron("0  9 * * *", "Asia/Shanghai"), NOON + 13 * HOUR),
        (Interval(step=HOUR), NOON + 2 * HOUR),
        (Interval(step=timedelta(seconds=1.5)), NOON + timedelta(minutes=90, seconds=1.5)),
    ],
)
def test_the_next_tick_is_told_from_the_line_alone(schedule: Cron | Interval, expected: datetime):
    assert as_shown(str(schedule), NOON + 90 * MINUTE).next == expected
    assert as_shown(str(schedule), NOON + 90 * MINUTE, paused=True).next is None


@pytest.mark.parametrize("line", ["", "every", "every 0 s", "every moon s", "at dawn Europe/Berlin", "* * * * * Mars"])
def test_a_line_of_a_newer_version_has_no_next_tick(line: str):
    assert as_shown(line, NOON).next is None
