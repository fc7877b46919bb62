"""From a request straight to the worker of its process: what becomes of tasks whose add fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from afterwards import Afterwards, StoreUnavailable
from afterwards.handoff import HandOff
from afterwards.joining import Joining
from afterwards.options import CallOptions
from afterwards.slots import LONGEST_PARKED
from afterwards.tasks import Call

ran = asyncio.Event()


async def task() -> None:
    ran.set()


class LosesAnswers:
    """A store whose adds arrive, and whose answers do not."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def add(self, calls: Sequence[Call], **claiming: object) -> None:
        await self._store.add(calls)
        raise StoreUnavailable("its answer was lost")


async def test_a_task_that_was_stored_although_its_add_failed_is_not_held_back(tmp_path: Path):
    house = Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}").house
    await house.open()
    worker = house.new_worker()
    store: Any = LosesAnswers(house.store)
    hand_off = HandOff(store, house.events, lambda: worker, Joining(store, house.events))
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        await asyncio.sleep(0)  # its first step
        with pytest.raises(StoreUnavailable):
            await hand_off.take([house.registry.call(task, (), {}, CallOptions())], sent=False)
        async with asyncio.timeout(LONGEST_PARKED / 2):
            await ran.wait()
        worker.stop()
    await house.close()
