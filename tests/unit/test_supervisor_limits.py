"""When a child has worked long enough, and how much memory a process takes."""

from __future__ import annotations

import sys

import pytest

from afterwards.resident import resident
from afterwards.supervisor.limits import Limits

MIB = 1024**2


def test_without_limits_nothing_is_enough():
    assert Limits().reached(ended=10**9, resident=2**50) is None


def test_the_number_of_tasks_is_enough_when_it_is_reached():
    limits = Limits(max_tasks=10)
    assert limits.reached(ended=9, resident=None) is None
    assert limits.reached(ended=10, resident=None) == "it has run 10 tasks"


def test_memory_is_enough_when_it_is_reached():
    limits = Limits(max_memory=512 * MIB)
    assert limits.reached(ended=1, resident=511 * MIB) is None
    assert limits.reached(ended=1, resident=600 * MIB) == "it takes 600 MiB of memory"


def test_a_child_that_has_run_nothing_goes_on_since_the_next_would_be_no_smaller():
    assert Limits(max_memory=MIB).reached(ended=0, resident=600 * MIB) is None


def test_memory_that_is_not_known_is_never_too_much():
    assert Limits(max_memory=1).reached(ended=1, resident=None) is None


def test_children_that_began_together_do_not_end_together():
    chosen = {Limits(max_tasks=1000, max_memory=MIB).spread().max_tasks for _ in range(100)}
    assert all(tasks is not None and 900 <= tasks <= 1000 for tasks in chosen)
    assert len(chosen) > 10


def test_a_small_limit_is_kept_whole_and_so_is_that_of_memory():
    assert Limits(max_tasks=1, max_memory=MIB).spread() == Limits(max_tasks=1, max_memory=MIB)
    assert Limits(max_memory=MIB).spread() == Limits(max_memory=MIB)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither /proc nor resource")
def test_the_memory_of_this_process_is_known_and_grows_with_it():
    before = resident()
    assert before is not None
    ballast = b"x" * (50 * MIB)
    after = resident()
    assert after is not None
    assert 10 * MIB < before < before + 40 * MIB < after
    assert len(ballast) == 50 * MIB
