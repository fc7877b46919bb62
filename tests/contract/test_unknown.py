"""Tasks that wait for a worker which knows their function."""

from __future__ import annotations

from afterwards.outcomes import Ending
from afterwards.tasks import WorkerId
from tests.contract.builders import TimedStore, a_running_task, claim_all, ids_of, outcome, the_task


async def hold_as_unknown(store: TimedStore, worker: WorkerId, *names: str) -> None:
    tasks = [await a_running_task(store, worker, name=name) for name in names]
    await store.settle([outcome(task.claim, Ending.UNKNOWN) for task in tasks])


async def test_each_name_is_told_once(store: TimedStore, worker: WorkerId):
    await hold_as_unknown(store, worker, "b:f", "a:f", "b:f")
    assert sorted(await store.unknown_names()) == ["a:f", "b:f"]


async def test_no_name_is_unknown_at_first(store: TimedStore):
    assert await store.unknown_names() == []


async def test_what_is_held_under_a_name_is_freed(store: TimedStore, worker: WorkerId):
    await hold_as_unknown(store, worker, "a:f", "b:f", "a:f")
    assert await store.free_unknown(["a:f", "c:f"]) == 2
    assert await store.unknown_names() == ["b:f"]
    assert [task.name for task in await claim_all(store, worker)] == ["a:f", "a:f"]


async def test_freeing_nothing_frees_nothing(store: TimedStore, worker: WorkerId):
    await hold_as_unknown(store, worker, "a:f")
    assert await store.free_unknown([]) == 0
    assert await store.free_unknown(["z:f"]) == 0


async def test_a_freed_task_keeps_its_place(store: TimedStore, worker: WorkerId):
    task = await a_running_task(store, worker, name="a:f")
    await store.settle([outcome(task.claim, Ending.UNKNOWN)])
    await store.free_unknown(["a:f"])
    assert (await the_task(store, task.id)).due == task.due
    assert ids_of(await claim_all(store, worker)) == [task.id]
