"""When a child that has died may be started again."""

from __future__ import annotations

from itertools import pairwise

from afterwards.supervisor.backoff import HEALTHY_AFTER, Backoff


def after(*lives: float) -> Backoff:
    backoff = Backoff()
    for lived in lives:
        backoff = backoff.after_death(lived=lived)
    return backoff


def test_the_first_death_costs_no_wait():
    assert after(0.1).delay == 0
    assert after(1000).delay == 0


def test_deaths_in_a_row_wait_longer_and_longer_up_to_half_a_minute():
    delays = [after(*[0.1] * deaths).delay for deaths in range(1, 40)]
    assert delays[:5] == [0, 0.5, 1, 2, 4]
    assert all(earlier <= later for earlier, later in pairwise(delays))
    assert delays[-1] == 30


def test_a_time_of_health_makes_good_for_all_deaths_before():
    assert after(0.1, 0.1, 0.1, 0.1, HEALTHY_AFTER).delay == 0
    assert after(0.1, 0.1, HEALTHY_AFTER, 0.1).delay == 0.5
    assert after(0.1, 0.1, HEALTHY_AFTER - 1).delay == 1


def test_three_that_failed_at_once_are_enough():
    assert [after(*[0.1] * deaths).is_hopeless for deaths in range(5)] == [False, False, False, True, True]
