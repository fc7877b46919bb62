"""What the dashboard counts: times, slots, failures that are alike, the steps of a traceback."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from afterwards.dashboard.charts import HEIGHT, chart
from afterwards.dashboard.sampling import alike, frames, paces, place_of, ran, slots, waited
from afterwards.ids import new_id
from afterwards.tasks import Failure, State, Task

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRACEBACK = """Traceback (most recent call last):
  File "/app/main.py", line 7, in send
    deliver(mail)
  File "/app/mail.py", line 31, in deliver
    raise OSError(
        "refused")
OSError: refused
"""


def task(state: State = State.DONE, *, name: str = "a", wait: float = 1, run: float = 2, ago: float = 0) -> Task:
    ended = NOW - timedelta(seconds=ago)
    started = ended - timedelta(seconds=run)
    added = started - timedelta(seconds=wait)
    return Task(
        id=new_id(),
        name=name,
        arguments="{}",
        state=state,
        queue="q",
        priority=5,
        due=added,
        added=added,
        started=started,
        ended=ended,
    )


def failed(kind: str, traceback: str = TRACEBACK, *, ago: float = 0) -> Task:
    return replace(task(State.FAILED, ago=ago), error=Failure(kind=kind, message="refused", traceback=traceback))


def test_waiting_counts_from_when_it_could_start():
    delayed = replace(task(wait=100), due=task().started or NOW)
    assert (waited(task()), waited(delayed)) == (SECOND, timedelta(0))
    assert waited(replace(task(), started=None)) is None
    assert (ran(task()), ran(replace(task(), ended=None))) == (2 * SECOND, None)


def test_the_median_and_the_slowest_of_twenty():
    (pace,) = paces([task(run=number) for number in range(1, 21)], lambda one: one.name)
    assert (pace.count, pace.run) == (20, (10 * SECOND, 19 * SECOND))
    (one,) = paces([task(run=3)], lambda one: one.name)
    assert one.run == (3 * SECOND, 3 * SECOND)


def test_the_most_frequent_come_first_and_failures_are_counted():
    found = paces([task(), task(name="b"), task(State.FAILED, name="b")], lambda one: one.name)
    assert [(pace.name, pace.count, pace.failed) for pace in found] == [("b", 2, 1), ("a", 1, 0)]


def test_slots_part_the_time_and_leave_out_what_is_older():
    tasks = [task(ago=0), task(ago=59), task(State.FAILED, ago=60), task(ago=61)]
    found = slots(tasks, since=NOW - timedelta(minutes=1), now=NOW, count=2)
    assert [(slot.done, slot.failed) for slot in found] == [(1, 1), (1, 0)]
    assert found[1].begins == NOW - timedelta(seconds=30)


def test_bars_have_one_measure():
    drawn = chart(slots([task(), task(), task(State.FAILED), task(ago=40)], since=NOW - 60 * SECOND, now=NOW, count=2))
    assert (drawn.highest, drawn.done, drawn.failed) == (3, 3, 1)
    assert (drawn.bars[1].failed_y, drawn.bars[1].done_height) == (0, HEIGHT * 2 / 3)
    assert chart(slots([], since=NOW - SECOND, now=NOW, count=3)).highest == 0


def test_errors_of_one_class_at_one_place_are_alike():
    elsewhere = TRACEBACK.replace("line 31", "line 99")
    tasks = [failed("OSError", ago=9), failed("OSError", ago=5), failed("OSError", elsewhere), failed("ValueError")]
    first, *others = alike(tasks, now=NOW)
    assert (first.kind, first.count, first.place) == ("OSError", 2, "/app/mail.py:31, in deliver")
    assert (first.first, first.last, first.latest) == (NOW - 9 * SECOND, NOW - 5 * SECOND, tasks[1])
    assert sorted((group.kind, group.count) for group in others) == [("OSError", 1), ("ValueError", 1)]


def test_a_traceback_is_taken_apart_by_its_steps():
    one, two = frames(TRACEBACK)
    assert (one.where, one.code) == ("/app/main.py:7, in send", "deliver(mail)")
    assert two.code == 'raise OSError(\n    "refused")'
    assert (frames("killed"), place_of("")) == ([], "")
    assert place_of(TRACEBACK) == "/app/mail.py:31, in deliver"
    assert place_of(TRACEBACK.partition("\n")[2]) == "/app/mail.py:31, in deliver"
    assert place_of('  File "/app/main.py", line 7, in send') == "/app/main.py:7, in send"
