"""The story of a task: its tries, with what it waited between them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from afterwards.ids import new_id
from afterwards.tasks import MOST_TRIES, Failure, State, Task, Try, TryEnding
from afterwards.timeline import Story, story

ADDED = datetime(2026, 12, 1, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return ADDED + timedelta(seconds=seconds)


def a_task(**options: object) -> Task:
    task = Task(
        id=new_id(), name="shop:pay", arguments="{}", state=State.WAITING, queue="q", priority=5, due=ADDED, added=ADDED
    )
    return replace(task, **options)  # type: ignore[arg-type]  # as said


def a_try(run: int, began: float, ended: float, ending: TryEnding = TryEnding.FAILED, *, attempt: int = 0) -> Try:
    error = Failure(kind="ValueError", message=f"run {run}") if ending is TryEnding.FAILED else None
    return Try(
        number=run, run=run, attempt=attempt or run, started=at(began), ended=at(ended), ending=ending, error=error
    )


def lengths(told: Story) -> list[tuple[float | None, float | None, str]]:
    """What each waited and ran, in seconds, and how it ended."""
    return [
        (
            None if stretch.waited is None else stretch.waited.total_seconds(),
            None if stretch.ran is None else stretch.ran.total_seconds(),
            stretch.words,
        )
        for stretch in told.stretches
    ]


def test_a_task_that_never_ran_has_nothing_to_tell():
    assert story(a_task()) == Story(stretches=(), begins_late=False, retried=False)


def test_a_task_that_succeeded_at_once_tells_of_its_run():
    done = a_task(state=State.DONE, run=1, attempt=1, started=at(2), ended=at(5))
    assert lengths(story(done)) == [(2, 3, "done")]


def test_each_try_waits_from_the_end_of_the_one_before():
    tries = (a_try(1, 1, 2), a_try(2, 4, 5, TryEnding.AGAIN), a_try(3, 9, 20, TryEnding.CRASHED, attempt=2))
    failed = a_task(state=State.FAILED, run=4, attempt=2, started=at(21), ended=at(21.5), tries=tries)
    told = story(failed)
    assert lengths(told) == [
        (1, 1, "failed"),
        (2, 1, "asked for a later try"),
        (4, 11, "its process died"),
        (1, 0.5, "failed"),
    ]
    assert [stretch.error and stretch.error.message for stretch in told.stretches] == ["run 1", None, None, None]
    assert (told.begins_late, told.retried) == (False, False)


def test_a_try_that_runs_has_not_ended():
    running = a_task(state=State.RUNNING, run=2, attempt=2, started=at(4), tries=(a_try(1, 1, 2),))
    assert lengths(story(running)) == [(1, 1, "failed"), (2, None, "running")]


@pytest.mark.parametrize(
    ("state", "ended"), [(State.WAITING, None), (State.CANCELLED, at(60))], ids=["waiting", "cancelled meanwhile"]
)
def test_the_try_after_which_it_waits_is_told_once(state: State, ended: datetime | None):
    task = a_task(state=state, run=1, attempt=1, started=at(1), ended=ended, tries=(a_try(1, 1, 2),))
    assert lengths(story(task)) == [(1, 1, "failed")]


@pytest.mark.parametrize(
    ("one", "retried"),
    [
        (a_try(1, 1, 2), False),
        (a_try(5, 1, 2, attempt=5), True),
        (a_try(1, 1, 2, TryEnding.DONE), True),
        (a_try(1, 1, 2, TryEnding.CANCELLED), True),
        (a_try(1, 1, 2, TryEnding.AGAIN), False),
        (a_try(1, 1, 2, TryEnding.CRASHED), False),
    ],
    ids=lambda value: f"{value.ending} {value.attempt}" if isinstance(value, Try) else str(value),
)
def test_attempts_that_begin_anew_are_a_persons_retry(one: Try, retried: bool):
    spent = one.attempt if one.ending is TryEnding.FAILED and not retried else 0
    waiting = a_task(run=one.run, attempt=spent, tries=(one,))
    assert story(waiting).retried is retried
    running = replace(waiting, state=State.RUNNING, run=one.run + 1, attempt=spent + 1, started=at(9))
    assert [stretch.retried for stretch in story(running).stretches] == [False, retried]


def test_a_run_that_ended_with_its_process_is_no_persons_retry():
    failed = a_task(
        state=State.FAILED, run=2, attempt=2, crashes=1, started=at(4), ended=at(9), tries=(a_try(1, 1, 2),)
    )
    assert [stretch.retried for stretch in story(failed).stretches] == [False, False]


def test_what_is_not_kept_is_said_and_not_made_up():
    many = tuple(a_try(run, run, run + 0.5, TryEnding.AGAIN, attempt=1) for run in range(6, 6 + MOST_TRIES))
    told = story(a_task(run=many[-1].run, tries=many))
    assert told.begins_late
    assert lengths(told)[:2] == [(None, 0.5, "asked for a later try"), (0.5, 0.5, "asked for a later try")]


def test_as_many_tries_as_are_kept_are_all_there_though_a_run_was_given_back():
    many = (a_try(run, run, run + 0.5, TryEnding.AGAIN, attempt=1) for run in range(1, 1 + MOST_TRIES))
    told = story(a_task(run=MOST_TRIES + 1, tries=tuple(replace(one, run=one.run + 1) for one in many)))
    assert not told.begins_late
    assert lengths(told)[0] == (1, 0.5, "asked for a later try")


def test_a_task_of_a_version_that_noted_no_tries_says_so():
    failed = a_task(state=State.FAILED, run=3, attempt=3, started=at(9), ended=at(10))
    assert story(failed).begins_late
    assert lengths(story(failed)) == [(None, 1, "failed")]
    waiting = a_task(run=3, attempt=3, started=at(9))
    assert lengths(story(waiting)) == [(None, None, "failed")]


def test_clocks_that_go_differently_make_no_time_negative():
    done = a_task(state=State.DONE, run=2, attempt=2, started=at(1), ended=at(0), tries=(a_try(1, -3, -5),))
    assert lengths(story(done)) == [(0, 0, "failed"), (6, 0, "done")]
