from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from afterwards import outcomes
from afterwards.outcomes import Ending, Outcome, crash_wait
from afterwards.retries import Again, Retry, Stop
from afterwards.tasks import Claim, Failure, Hold, State, WorkerId

CLAIM = Claim(id=UUID(int=1), run=1, worker=WorkerId("w"))
FAILURE = Failure(kind="ValueError", message="no")
TWICE = Retry(attempts=2, first=8, jitter=0)


def raised(error: BaseException, attempt: int = 1) -> Outcome:
    return outcomes.raised(CLAIM, error, FAILURE, attempt=attempt, retry=TWICE)


def test_an_error_before_the_last_attempt_waits_as_the_policy_says():
    outcome = raised(ValueError())
    assert (outcome.ending, outcome.state) == (Ending.RETRIED, State.WAITING)
    assert (outcome.delay, outcome.error) == (timedelta(seconds=8), FAILURE)


def test_an_error_at_the_last_attempt_fails():
    outcome = raised(ValueError(), attempt=2)
    assert (outcome.ending, outcome.state, outcome.error) == (Ending.FAILED, State.FAILED, FAILURE)


def test_stop_fails_at_once_whatever_the_policy_says():
    assert raised(Stop("closed")).ending is Ending.FAILED


def test_again_waits_as_it_says_and_spends_no_attempt():
    outcome = raised(Again(after=30), attempt=2)
    assert (outcome.ending, outcome.delay, outcome.error) == (Ending.AGAIN, timedelta(seconds=30), None)
    assert outcome.gives_attempt_back


@pytest.mark.parametrize(
    ("outcome", "state", "held", "gives_attempt_back", "frees_followers"),
    [
        (outcomes.done(CLAIM, result="1"), State.DONE, None, False, True),
        (raised(ValueError(), attempt=2), State.FAILED, None, False, True),
        (raised(ValueError()), State.WAITING, None, False, True),
        (raised(Again()), State.WAITING, None, True, True),
        (outcomes.cancelled(CLAIM), State.CANCELLED, None, False, True),
        (outcomes.returned(CLAIM), State.WAITING, None, True, False),
        (outcomes.unknown(CLAIM, FAILURE), State.WAITING, Hold.UNKNOWN, True, False),
        (outcomes.failed(CLAIM, FAILURE), State.FAILED, None, False, True),
    ],
    ids=lambda it: it.ending if isinstance(it, Outcome) else "",
)
def test_what_follows_from_each_ending(outcome, state, held, gives_attempt_back, frees_followers):
    assert outcome.state is state
    assert outcome.held is held
    assert outcome.gives_attempt_back is gives_attempt_back
    assert outcome.frees_followers is frees_followers


def test_every_ending_has_a_state():
    assert {Outcome(claim=CLAIM, ending=ending).state for ending in Ending} == set(State) - {State.RUNNING}


def test_after_a_first_crash_a_task_runs_at_once_then_ever_later():
    waits = [crash_wait(crashes).total_seconds() for crashes in range(10)]
    assert waits[:4] == [0, 0, 1, 2]
    assert waits == sorted(waits)
    assert max(waits) == crash_wait(10**6).total_seconds() == 60
