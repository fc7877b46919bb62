"""One bad row in a batch fails alone. What is bad is said here by triggers, which refuse as the disk or a later
schema might."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from afterwards.errors import CannotStore
from afterwards.outcomes import Ending, done
from afterwards.tasks import Search, State
from tests.contract.builders import a_call, a_failure, claim_all, ids_of, outcome, sign_on, some_calls, the_task
from tests.stores.builders import a_store, another_connection, write_lock_on

REFUSE_CALLS = """
CREATE TRIGGER refuse BEFORE INSERT ON afterwards_tasks WHEN NEW.name = 'bad'
BEGIN SELECT RAISE(ABORT, 'no bad calls'); END
"""
REFUSE_RESULTS = """
CREATE TRIGGER refuse BEFORE UPDATE ON afterwards_tasks WHEN NEW.result LIKE '%bad%' OR NEW.error LIKE '%bad words%'
BEGIN SELECT RAISE(ABORT, 'too long'); END
"""
REFUSE_ENDINGS = """
CREATE TRIGGER refuse BEFORE UPDATE ON afterwards_tasks WHEN NEW.state <> 'running' AND OLD.name = 'bad'
BEGIN SELECT RAISE(ABORT, 'never'); END
"""


async def test_a_bad_call_fails_its_own_request_alone(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    requests = [some_calls(2) for _ in range(99)]
    requests.insert(42, [a_call(), a_call(name="bad")])
    with another_connection(tmp_path / "tasks.db") as connection:
        connection.execute(REFUSE_CALLS)
    with write_lock_on(tmp_path / "tasks.db"):  # so that they gather into one batch
        adding = asyncio.gather(*(store.add(request) for request in requests), return_exceptions=True)
        await asyncio.sleep(0.05)
    answers = await adding
    assert [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)] == [42]
    assert isinstance(answers[42], CannotStore)
    assert "no bad calls" in str(answers[42])
    stored = set(ids_of(await store.find(Search(), limit=1000)))
    assert stored == {call.id for number, request in enumerate(requests) if number != 42 for call in request}
    await store.close()


async def test_a_bad_outcome_is_settled_without_what_was_refused(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    await store.add(some_calls(100))
    tasks = await claim_all(store, worker)
    with another_connection(tmp_path / "tasks.db") as connection:
        connection.execute(REFUSE_RESULTS)
    outcomes = [done(task.claim, result='"good"') for task in tasks]
    outcomes[7] = done(tasks[7].claim, result='"bad"')
    outcomes[8] = outcome(tasks[8].claim, Ending.FAILED, error=a_failure("bad words"))
    settled = await store.settle(outcomes)
    assert settled.held == [task.claim for task in tasks]
    good = await the_task(store, tasks[6].id)
    assert (good.state, good.returned) == (State.DONE, '"good"')
    bad = await the_task(store, tasks[7].id)
    assert (bad.state, bad.returned) == (State.DONE, None)
    assert "the result could not be stored: too long" in str(bad.error)
    worse = await the_task(store, tasks[8].id)
    assert worse.state is State.FAILED
    assert "the error could not be stored: too long" in str(worse.error)
    await store.close()


async def test_an_outcome_whose_calls_are_refused_is_a_failure(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    await store.add(some_calls(2))
    first, second = await claim_all(store, worker)
    bringing = outcome(first.claim, Ending.DONE, calls=(a_call(), a_call(name="half \ud83c")))
    settled = await store.settle([bringing, done(second.claim)])
    assert settled.held == [first.claim, second.claim]
    assert (await the_task(store, first.id)).state is State.FAILED
    assert (await the_task(store, second.id)).state is State.DONE
    assert len(await store.find(Search(), limit=10)) == 2
    await store.close()


async def test_an_outcome_that_is_refused_altogether_does_not_stop_the_others(tmp_path: Path):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    await store.add([a_call(name="bad"), *some_calls(2)])
    tasks = await claim_all(store, worker)
    with another_connection(tmp_path / "tasks.db") as connection:
        connection.execute(REFUSE_ENDINGS)
    settled = await store.settle([done(task.claim) for task in tasks])
    assert settled.held == [task.claim for task in tasks if task.name != "bad"]
    await store.close()


@pytest.mark.parametrize("count", [1, 300])
async def test_everything_that_gathered_is_one_transaction(tmp_path: Path, count: int):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    with write_lock_on(tmp_path / "tasks.db"):
        adding = asyncio.gather(*(store.add([a_call()]) for _ in range(count)))
        await asyncio.sleep(0.05)
    await adding
    added = {task.added for task in await store.find(Search(), limit=1000)}
    assert len(added) <= 2  # the first may have gone ahead alone
    await store.close()
