"""What a store forgets about a run while its worker lives: the run is noticed as stray, and its task runs again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from afterwards import Afterwards, State
from afterwards.events import ClaimsStrayed, Event, Events
from afterwards.roll_call import RollCall
from afterwards.tasks import Claim, TaskId, WorkerId
from tests.contract.builders import a_call, a_card
from tests.rooms.builders import a_store, until

runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    runs.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", lease=1.5)


async def work(name: str) -> None:
    runs.append(name)


def forget_the_end(path: Path, task: TaskId, worker: WorkerId) -> None:
    """Bring the row back to what it was before the settlement, as a server does that had not yet written that."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE afterwards_tasks SET state = 'running', worker = ?, ended = NULL, freed = 0 WHERE id = ?",
            (worker, str(task)),
        )
    connection.close()


def listening(afterwards: Afterwards) -> Callable[[], list[ClaimsStrayed]]:
    heard: list[Event] = []
    afterwards.hear(heard.append, ClaimsStrayed)
    return lambda: [event for event in heard if isinstance(event, ClaimsStrayed)]


async def test_a_task_whose_end_was_forgotten_runs_again(afterwards: Afterwards, tmp_path: Path) -> None:
    strayed = listening(afterwards)
    async with afterwards.opened(worker=True):
        task = await afterwards.add(work, "mail")
        await afterwards.wait(task.id, timeout=10)
        [worker] = (await afterwards.census()).workers
        forget_the_end(tmp_path / "rooms.db", task.id, worker.id)
        assert (await afterwards.get(task.id)).state is State.RUNNING
        await until(lambda: len(runs) == 2)
        ended = await afterwards.wait(task.id, timeout=10)
    assert (ended.state, ended.run, ended.attempt) == (State.DONE, 2, 1)
    assert [claim.id for event in strayed() for claim in event.claims] == [task.id]


@pytest.mark.parametrize(
    ("known_at_each_round", "given_back"),
    [([False, False], True), ([False, True, False], False), ([True, True], False)],
    ids=["missed twice", "missed twice, but not running", "in hand"],
)
async def test_only_what_is_missed_twice_running_is_given_back(
    tmp_path: Path, known_at_each_round: list[bool], given_back: bool
) -> None:
    store, worker = a_store(tmp_path), WorkerId("w")
    await store.sign_on(a_card(worker))
    await store.add([a_call()])
    [task] = await store.claim(worker, limit=1, suspects=False)
    known: list[Claim] = []
    returned: list[Claim] = []
    roll_call = RollCall(
        store,
        Events(),
        lease=timedelta(0),
        worker=lambda: worker,
        known=lambda: known,
        give_back=returned.extend,
    )
    for is_known in known_at_each_round:
        known[:] = [task.claim] if is_known else []
        await roll_call.round()
    await store.close()
    assert returned == ([task.claim] if given_back else [])
