from __future__ import annotations

import random
from datetime import timedelta

from afterwards.chance import draw, jittered
from afterwards.retries import Retry


def test_a_jittered_time_lies_between_its_share_and_all_of_it():
    times = {jittered(10, least=0.7) for _ in range(200)}
    assert 7 <= min(times) < max(times) <= 10
    assert len(times) > 190


def test_an_app_that_seeds_random_does_not_put_a_fleet_in_step():
    def drawn() -> list[float | timedelta | None]:
        random.seed(7)
        return [draw(), jittered(1), Retry().after(OSError(), 1)]

    assert all(one != other for one, other in zip(drawn(), drawn(), strict=True))


def test_the_sequence_of_an_app_that_seeds_random_is_its_own():
    before = random.getstate()
    draw()
    jittered(1)
    Retry().after(OSError(), 1)
    assert random.getstate() == before
