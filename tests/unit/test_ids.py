from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import UUID

import pytest

from afterwards.ids import IdMaker, new_id


def milliseconds_of(made: UUID) -> int:
    return made.int >> 80


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_it():
    before = time.time_ns() // 1_000_000
    made = IdMaker().make()
    assert (made.version, made.variant) == (7, UUID(int=0x7 << 76 | 0b10 << 62).variant)
    assert before <= milliseconds_of(made) <= time.time_ns() // 1_000_000


def test_ids_grow_even_when_more_are_made_than_a_millisecond_has_numbers_for():
    maker = IdMaker()
    ids = [maker.make() for _ in range(20_000)]
    assert all(former < latter for former, latter in pairwise(ids))


def test_ids_grow_when_the_clock_goes_back(monkeypatch):
    maker = IdMaker()
    former = maker.make()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    latter = maker.make()
    assert former < latter


def test_ids_of_many_threads_are_all_different():
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: new_id(), range(5_000)))
    assert len(set(ids)) == len(ids)


def test_ids_cannot_be_guessed_from_each_other():
    maker = IdMaker()
    tails = {maker.make().int & (1 << 62) - 1 for _ in range(2_000)}
    assert len(tails) == 2_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_makes_ids_of_its_own():
    new_id()  # randomness is now in store
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    theirs, ours = UUID(bytes=os.read(reading, 16)), new_id()
    assert theirs.int & (1 << 62) - 1 != ours.int & (1 << 62) - 1
    os.close(reading)
    os.close(writing)
