"""Who passes, and who is held."""

from __future__ import annotations

from afterwards.gates import Candidate, Count, decide, gates_of
from afterwards.tasks import Gate, Hold

FUNCTION, QUEUE = Gate(quota="function:f"), Gate(quota="queue:q")


def count(*, most: int | None = None, running: int = 0, rate: int | None = None, begun: int = 0) -> Count:
    return Count(most=most, running=running, rate=rate, begun=begun)


def candidates(*gates: tuple[Gate, ...]) -> list[Candidate[int]]:
    return [Candidate(id=number, gates=some) for number, some in enumerate(gates)]


def test_candidates_of_one_gate_are_counted_together():
    passage = decide(candidates(*[(FUNCTION,)] * 4), {FUNCTION: count(most=3, running=1)}, room=9)
    assert [one.id for one in passage.passing] == [0, 1]
    assert passage.held == [(2, FUNCTION, Hold.LIMIT), (3, FUNCTION, Hold.LIMIT)]
    assert passage.begun() == {FUNCTION: 2}


def test_what_has_no_gate_passes_and_room_ends_it():
    passage = decide(candidates((), (), ()), {}, room=2)
    assert ([one.id for one in passage.passing], passage.held) == ([0, 1], [])


def test_both_gates_have_to_be_open_and_a_closed_one_takes_no_place_at_the_other():
    counts = {FUNCTION: count(most=1), QUEUE: count(rate=2)}
    both = (FUNCTION, QUEUE)
    passage = decide(candidates(both, both, (QUEUE,), (QUEUE,)), counts, room=9)
    assert [one.id for one in passage.passing] == [0, 2]
    assert passage.held == [(1, FUNCTION, Hold.LIMIT), (3, QUEUE, Hold.RATE)]


def test_whoever_has_a_gate_that_is_not_counted_now_is_left_as_it_is():
    passage = decide(candidates((FUNCTION, QUEUE), ()), {QUEUE: count(most=1)}, room=9)
    assert ([one.id for one in passage.passing], passage.held) == ([1], [])


def test_room_is_what_both_numbers_leave_and_never_less_than_none():
    assert count(most=3, running=1, rate=10, begun=9).room() == 1
    assert count(most=3, running=5).room() == 0
    assert count(rate=2, begun=0).room() == 2


def test_a_task_has_the_gates_of_those_quotas_that_there_are():
    assert gates_of("f", "q", "k", of_function=True, of_queue=True) == (Gate(quota="function:f", key="k"), QUEUE)
    assert gates_of("f", "q", "k", of_function=False, of_queue=True) == (QUEUE,)
    assert gates_of("f", "q", "k", of_function=False, of_queue=False) == ()
