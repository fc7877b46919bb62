"""Any sequence of verbs leaves the store as a small model of it says.

The store's clock runs on while the model's stands still. So every wait is of whole hours here, also the one after a
crash, which is a second elsewhere: however slow the machine is, no task becomes due but by `let_an_hour_pass`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from afterwards.outcomes import Ending
from afterwards.stores import store_for
from afterwards.tasks import Call, Claim, Hold, Search, State, Task, TaskId, WorkerId
from tests.contract.builders import EVERYTHING, HOUR, TimedStore, a_call, a_line, outcome, sign_on

T = TypeVar("T")
WORKERS = ("ann", "bob")
CLAIMERS = st.sampled_from([*WORKERS, ""])
AT_ONCE = timedelta(0)
PATIENCE = timedelta(minutes=1)


def crash_wait(crashes: int) -> timedelta:
    return AT_ONCE if crashes <= 1 else HOUR


@dataclass
class Expected:
    """What is known of one task. `due` counts from the beginning of the test."""

    call: Call
    due: timedelta
    state: State = State.WAITING
    held: Hold | None = None
    after: TaskId | None = None
    freed: bool = False
    attempt: int = 0
    run: int = 0
    crashes: int = 0
    worker: WorkerId | None = None
    stop_asked: bool = False

    @property
    def suspect(self) -> bool:
        return self.crashes > 0 and self.crashes + 1 >= max(1, self.call.crashes)

    def end(self, state: State) -> None:
        self.state, self.held, self.worker, self.freed = state, None, None, True

    def wait(self, due: timedelta | None = None) -> None:
        """It waits again; a run that was asked to stop is cancelled instead."""
        if self.stop_asked:
            self.end(State.CANCELLED)
        else:
            self.state, self.worker = State.WAITING, None
            self.due = self.due if due is None else due


class Model(RuleBasedStateMachine):
    """Two workers, a few tasks, and everything that can be done to them."""

    make_url: Callable[[Path], str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.store = cast(TimedStore, store_for(self.make_url(self.folder), add_timeout=PATIENCE))
        self.now = timedelta(0)
        self.tasks: dict[TaskId, Expected] = {}
        self.claims: list[Claim] = []
        self.signed_on: set[WorkerId] = set()
        self.paused = False
        self.done(self.store.open())

    def teardown(self) -> None:
        self.done(self.store.close())
        self.runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def done(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return self.runner.run(run())

    # Workers

    @rule(name=st.sampled_from(WORKERS))
    def sign_on(self, name: str) -> None:
        self.signed_on.add(self.done(sign_on(self.store, name, lease=1000 * HOUR)))

    @precondition(lambda self: self.signed_on)
    @rule(data=st.data())
    def sign_off(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.signed_on)))
        self.done(self.store.sign_off(worker))
        self.signed_on.remove(worker)
        for task in self.running_for(worker):
            task.attempt -= 1
            task.wait()
        self.free()

    @precondition(lambda self: self.signed_on)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.signed_on)))
        rescued = self.done(self.store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING))
        self.signed_on.remove(worker)
        dropped = self.running_for(worker)
        assert {task.id for task in rescued} == {task.call.id for task in dropped}
        for task in dropped:
            self.crash(task)
        self.free()

    def crash(self, task: Expected) -> None:
        task.crashes += 1
        if task.crashes >= max(1, task.call.crashes):
            task.end(State.FAILED)
        else:
            task.attempt -= 1
            task.wait(self.now + crash_wait(task.crashes))

    # The straight line

    @rule(
        length=st.integers(1, 3),
        crashes=st.integers(0, 3),
        delayed=st.booleans(),
        claimer=st.sampled_from([*WORKERS, ""]),
    )
    def add(self, length: int, crashes: int, delayed: bool, claimer: str) -> None:
        calls = a_line(length, crashes=crashes)
        if delayed:
            calls[0] = replace(calls[0], delay=HOUR)
        self.add_calls(calls, WorkerId(claimer) if claimer else None)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), again=st.booleans(), claimer=CLAIMERS)
    def add_after_a_stored_task_or_again(self, data: st.DataObject, again: bool, claimer: str) -> None:
        former = self.draw_task(data)
        call = former.call if again else a_call(after=former.call.id)
        self.add_calls([call], WorkerId(claimer) if claimer else None)

    def add_calls(self, calls: list[Call], claimer: WorkerId | None) -> None:
        claimable: list[TaskId] = []
        for call in calls:
            if call.id not in self.tasks:
                task = self.tasks[call.id] = Expected(call=call, due=self.now + call.delay, after=call.after)
                former = None if call.after is None else self.tasks.get(call.after)
                task.held = Hold.AFTER if former is not None and not former.freed else None
                if claimer in self.signed_on and self.is_claimable(task):
                    claimable.append(call.id)
        added = self.done(self.store.add(calls, claimed_by=claimer))
        assert [one.id for one in added] == [call.id for call in calls]
        self.take([one.claimed for one in added if one.claimed is not None], claimable, claimer)

    @rule(name=st.sampled_from(WORKERS), suspects=st.booleans())
    def claim(self, name: str, suspects: bool) -> None:
        worker = WorkerId(name)
        open_tasks = [task for task in self.tasks.values() if worker in self.signed_on and self.is_claimable(task)]
        expected = [task.call.id for task in open_tasks if not task.suspect]
        claimed = self.done(self.store.claim(worker, limit=EVERYTHING, suspects=suspects))
        of_suspects = [task.id for task in claimed if task.suspect]
        assert len(of_suspects) == min(1, sum(suspects and task.suspect for task in open_tasks))
        self.take(claimed, expected + of_suspects, worker)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), ending=st.sampled_from(Ending), delayed=st.booleans(), claims=st.booleans())
    def settle(self, data: st.DataObject, ending: Ending, delayed: bool, claims: bool) -> None:
        claim = data.draw(st.sampled_from(self.claims))  # perhaps a stale one
        task = self.tasks[claim.id]
        holds = (task.state, task.run, task.worker) == (State.RUNNING, claim.run, claim.worker)
        delay = HOUR if delayed and ending in (Ending.RETRIED, Ending.AGAIN) else AT_ONCE
        if holds:
            self.end_run(task, ending, delay)
        freed = self.free()
        may_claim = claims and claim.worker in self.signed_on
        claimable = [one.call.id for one in freed if may_claim and self.is_claimable(one)]
        claimer = claim.worker if claims else None
        settled = self.done(self.store.settle([outcome(claim, ending, delay=delay)], claimed_by=claimer))
        assert settled.held == ([claim] if holds else [])
        self.take(settled.claimed, claimable, claim.worker)

    def end_run(self, task: Expected, ending: Ending, delay: timedelta) -> None:
        if ending in (Ending.AGAIN, Ending.RETURNED, Ending.UNKNOWN) and not task.stop_asked:
            task.attempt -= 1
        match ending:
            case Ending.DONE | Ending.FAILED | Ending.CANCELLED:
                task.end(State(ending.value))
            case Ending.RETRIED | Ending.AGAIN:
                task.wait(self.now + delay)
                task.freed = True
            case Ending.RETURNED | Ending.UNKNOWN:
                task.wait()
                if ending is Ending.UNKNOWN and task.state is State.WAITING:
                    task.held = Hold.UNKNOWN

    # People, and time

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = self.draw_task(data)
        changes = task.state is State.WAITING or (task.state is State.RUNNING and not task.stop_asked)
        assert self.done(self.store.cancel([task.call.id])) == ([task.call.id] if changes else [])
        match task.state:
            case State.WAITING:
                self.close_over(task)
                task.end(State.CANCELLED)
                self.free()
            case State.RUNNING:
                task.stop_asked = True
            case _:
                pass

    def close_over(self, task: Expected) -> None:
        if task.held is Hold.AFTER:
            for follower in self.tasks.values():
                if follower.held is Hold.AFTER and follower.after == task.call.id:
                    follower.after = task.after

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        task = self.draw_task(data)
        assert self.done(self.store.retry([task.call.id])) == ([task.call.id] if task.state.ended else [])
        if task.state.ended:
            task.state, task.due = State.WAITING, self.now
            task.attempt, task.crashes, task.stop_asked = 0, 0, False

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        task = self.draw_task(data)
        id = task.call.id
        assert self.done(self.store.delete([id])) == ([id] if task.state.ended else [])
        if task.state.ended:
            del self.tasks[id]
            self.claims = [claim for claim in self.claims if claim.id != id]

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.done(self.store.pause("default", paused=paused))

    @rule()
    def free_unknown(self) -> None:
        unknown = [task for task in self.tasks.values() if task.held is Hold.UNKNOWN]
        assert self.done(self.store.free_unknown(["tests:work"])) == len(unknown)
        for task in unknown:
            task.held = None

    @rule()
    def let_an_hour_pass(self) -> None:
        self.now += HOUR
        self.store.clock_offset += HOUR

    @precondition(lambda self: any(task.state is State.WAITING for task in self.tasks.values()))
    @rule(data=st.data())
    def carry_some_away_and_back(self, data: st.DataObject) -> None:
        waiting = self.done(self.store.hand_over(limit=EVERYTHING))
        assert {task.id for task in waiting} == {id for id, t in self.tasks.items() if t.state is State.WAITING}
        carried = data.draw(st.lists(st.sampled_from(waiting), unique_by=lambda task: task.id, min_size=1))
        ids = [task.id for task in carried]
        assert self.done(self.store.forget(ids)) == ids
        for task in self.tasks.values():
            if task.held is Hold.AFTER and task.after in ids:
                task.held = None
        assert self.done(self.store.receive(carried)) == ids
        for id in ids:
            self.arrive(self.tasks[id])

    def arrive(self, task: Expected) -> None:
        """It is held again by its former's turn alone; unknown it stays."""
        former = None if task.after is None else self.tasks.get(task.after)
        if task.held is not Hold.UNKNOWN:
            waits = former is not None and not former.freed and not task.freed
            task.held = Hold.AFTER if waits else None

    # What holds at every moment

    @invariant()
    def every_task_is_as_expected(self) -> None:
        found = self.done(self.store.find(Search(), limit=EVERYTHING))
        assert len(found) == len(self.tasks)
        for task in found:
            known = self.tasks[task.id]
            assert (task.state, task.held, task.after) == (known.state, known.held, known.after)
            assert (task.attempt, task.run, task.crashes) == (known.attempt, known.run, known.crashes)
            assert (task.worker, task.stop_asked) == (known.worker, known.stop_asked)
            assert (task.turn_over, task.crashes_allowed) == (known.freed, known.call.crashes)

    @invariant()
    def the_census_counts_them(self) -> None:
        census = self.done(self.store.census())
        for state in State:
            assert census.by_state.get(state, 0) == sum(task.state is state for task in self.tasks.values())
        assert census.waiting_due == sum(self.is_claimable(task) for task in self.tasks.values())
        lately = self.done(self.store.throughput(within=10_000 * HOUR, limit=EVERYTHING))
        ended = sum(task.state in (State.DONE, State.FAILED) for task in self.tasks.values())
        assert sum(lately.by_queue.values()) == ended

    # What the rules are made of

    def draw_task(self, data: st.DataObject) -> Expected:
        return self.tasks[data.draw(st.sampled_from(list(self.tasks)))]

    def running_for(self, worker: WorkerId) -> list[Expected]:
        return [task for task in self.tasks.values() if task.worker == worker]

    def is_claimable(self, task: Expected) -> bool:
        return task.state is State.WAITING and task.held is None and task.due <= self.now and not self.paused

    def free(self) -> list[Expected]:
        """Whoever was held after a task whose turn is over; these."""
        freed = [
            task
            for task in self.tasks.values()
            if task.held is Hold.AFTER and task.after is not None and self.tasks[task.after].freed
        ]
        for task in freed:
            task.held = None
        return freed

    def take(self, claimed: Iterable[Task], expected: list[TaskId], worker: WorkerId | None) -> None:
        claimed = list(claimed)
        assert sorted(task.id for task in claimed) == sorted(expected)
        for task in claimed:
            known = self.tasks[task.id]
            known.state, known.worker, known.stop_asked = State.RUNNING, worker, False
            known.run, known.attempt = known.run + 1, known.attempt + 1
            assert (task.run, task.attempt, task.worker) == (known.run, known.attempt, worker)
            self.claims.append(task.claim)


def test_the_store_does_what_the_model_says(new_url: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("afterwards.crashes.crash_wait", crash_wait)

    class ModelOfThisStore(Model):
        make_url = staticmethod(new_url)

    run_state_machine_as_test(
        ModelOfThisStore,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
