"""Chains and groups whose workers are killed at random: each step settles once, and nothing is left waiting."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import anyio
import pytest

from afterwards import Afterwards, Chained, State, Task, call
from afterwards.tasks import TaskId
from tests.journeys.harness import Journey, until
from tests.journeys.places import on
from tests.journeys.supervised import Crew, gather, opened, start_crew, step

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")

STEPS, SECONDS = 3, 0.15


def add_all(journey: Journey, chains: int, groups: int, members: int) -> list[Chained]:
    """Steps are numbered in the order in which they are stored."""

    async def add_one(afterwards: Afterwards, first: int, *, is_group: bool) -> Chained:
        if not is_group:
            return await afterwards.chain(
                *(call(step, first + place, SECONDS) for place in range(STEPS - 1)),
                call(step, first + STEPS - 1, SECONDS).using(keep_result=True),
            )
        last = call(gather, first + members).using(keep_result=True)
        return await afterwards.group([call(step, first + place, SECONDS) for place in range(members)], then=last)

    async def add() -> list[Chained]:
        async with opened(journey) as afterwards:
            flows = [await add_one(afterwards, STEPS * one, is_group=False) for one in range(chains)]
            begin = STEPS * chains
            flows += [await add_one(afterwards, begin + (members + 1) * one, is_group=True) for one in range(groups)]
            return flows

    return anyio.run(add)


def kill_one(journey: Journey, crew: Crew) -> set[str]:
    """A process of the crew; its id, if there was one."""
    with contextlib.suppress(ProcessLookupError, IndexError):
        victim = random.choice(crew.pids())
        os.kill(victim, signal.SIGKILL)
        return {str(victim)}
    return set()


def run_all(journey: Journey, processes: int, *, kills: int, every: float, timeout: float) -> set[str]:
    """Until nothing is left to do; the processes that were killed."""
    crew = start_crew(journey, "--processes", str(processes), "--concurrency", "5")
    crew.until_ready(timeout=90)
    killed: set[str] = set()
    for _ in range(kills):
        begun = len(journey.marks("begin"))
        until(lambda begun=begun: len(journey.marks("begin")) > begun, "some run", timeout=60)  # type: ignore[misc]  # bound now
        time.sleep(every)  # between two kills some time has to pass: what happens then is what is looked at
        killed |= kill_one(journey, crew)
    until(lambda: journey.unfinished() == 0, "all have ended", timeout=timeout)
    assert crew.terminate() == 0
    return killed


def each_ran_once_in_its_turn(journey: Journey, flows: Sequence[Chained], killed: set[str], members: int) -> None:
    tasks = {task.id: task for task in journey.tasks()}
    assert {task.state for task in tasks.values()} == {State.DONE}
    assert len(tasks) == sum(len(flow.ids) for flow in flows)
    assert {tasks[flow.ends[0]].result for flow in flows if len(flow.ids) == STEPS} == {STEPS}
    assert {tasks[flow.ends[0]].result for flow in flows if len(flow.ids) != STEPS} <= {members}
    begins, first_end, last_begin = defaultdict[int, list[str]](list), dict[int, int](), dict[int, int]()
    for place, (kind, number, process, _) in enumerate(line.split() for line in _marks(journey)):
        if kind == "begin":
            begins[int(number)].append(process)
            last_begin.setdefault(int(number), place)
        else:
            first_end.setdefault(int(number), place)
    assert all(killed.issuperset(processes[:-1]) for processes in begins.values()), "twice only if killed"
    for former, latter in _needs(tasks):
        assert first_end[former] < last_begin[latter]


def _marks(journey: Journey) -> list[str]:
    return (journey.folder / "marks").read_text().splitlines()


def _needs(tasks: Mapping[TaskId, Task]) -> list[tuple[int, int]]:
    """Which number has to have ended before which begins."""
    numbers = {id: int(json.loads(task.arguments)["number"]) for id, task in tasks.items()}
    return [
        (numbers[need], numbers[id]) for id, task in tasks.items() if task.link is not None for need in task.link.needs
    ]


@on("sqlite", "valkey")
@pytest.mark.timeout(200)
def test_chains_and_groups_whose_workers_are_killed_run_each_step_in_its_turn(on_store: Journey) -> None:
    flows = add_all(on_store, chains=40, groups=4, members=20)
    killed = run_all(on_store, 3, kills=2, every=0.2, timeout=120)
    each_ran_once_in_its_turn(on_store, flows, killed, 20)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_chains_and_a_hundred_groups_of_fifty_run_each_step_in_its_turn(on_store: Journey) -> None:
    flows = add_all(on_store, chains=1000, groups=100, members=50)
    killed = run_all(on_store, 4, kills=15, every=1.0, timeout=1500)
    assert len(killed) > 10
    each_ran_once_in_its_turn(on_store, flows, killed, 50)
