"""Steering tasks by search, through the public face, beside a worker that runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from afterwards import Afterwards, Retry, State, StoreUnavailable, UnknownTask
from afterwards.batch import TaskHandle
from afterwards.ids import new_id
from tests.contract.builders import TimedStore

broken: set[str] = set()
runs: list[str] = []


class MailServerGone(Exception):
    """What a mail server raises that is away."""


class OutOfPaper(Exception):
    """What no retry cures."""


async def mail(what: str) -> None:
    runs.append(what)
    if "mail" in broken:
        raise MailServerGone(what)


def print_(what: str) -> None:
    runs.append(what)
    if "paper" in broken:
        raise OutOfPaper(what)


@pytest.fixture
async def afterwards(tmp_path: Path) -> AsyncIterator[Afterwards]:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'rooms.db'}", retry=Retry.never)
    afterwards.task(queue="mail")(mail)
    afterwards.task(version=3, name="print")(print_)
    broken.clear()
    runs.clear()
    async with afterwards.opened(worker=True):
        yield afterwards


async def some(afterwards: Afterwards, count: int) -> list[TaskHandle]:
    """Mails and pages in turn, all of which have ended."""
    handles = [await afterwards.add(mail if n % 2 else print_, f"{n}") for n in range(count)]
    await afterwards.wait_all([handle.id for handle in handles], timeout=30)
    runs.clear()
    return handles


async def test_the_failures_of_one_kind_run_again_after_a_fix(afterwards: Afterwards):
    broken.update(("mail", "paper"))
    handles = await some(afterwards, 20)
    broken.clear()
    assert await afterwards.retry_all(error="MailServerGone") == 10
    await afterwards.wait_all([handle.id for handle in handles], timeout=30)
    assert sorted(runs, key=int) == [str(n) for n in range(1, 20, 2)]
    census = await afterwards.census()
    assert (census.by_state[State.DONE], census.by_state[State.FAILED]) == (10, 10)


async def test_what_is_still_broken_fails_once_more_and_no_more(afterwards: Afterwards):
    broken.add("mail")
    handles = await some(afterwards, 40)
    assert await afterwards.retry_all(error=MailServerGone) == 20
    await afterwards.wait_all([handle.id for handle in handles], timeout=30)
    assert len(runs) == 20


async def test_tasks_are_found_by_function_error_key_and_time(afterwards: Afterwards):
    broken.add("paper")
    handles = await some(afterwards, 4)
    store = cast(TimedStore, afterwards.house.store)
    store.clock_offset += timedelta(hours=1)
    keyed = await afterwards.using(key="k").add(mail, "late")
    task = await afterwards.wait(keyed.id, timeout=30)
    assert [one.id for one in await afterwards.find(function=print_)] == [handles[2].id, handles[0].id]
    assert [one.id for one in await afterwards.find(function="print@3", error=OutOfPaper, limit=1)] == [handles[2].id]
    assert [one.id for one in await afterwards.find(key="k", function=mail)] == [keyed.id]
    assert [one.id for one in await afterwards.find(added_after=task.added)] == [keyed.id]
    assert len(await afterwards.find(added_before=task.added, error="OutOfPaper")) == 2


async def test_all_that_waits_of_a_function_is_cancelled(afterwards: Afterwards):
    for n in range(6):
        await afterwards.using(delay=60).add(mail if n % 2 else print_, f"{n}")
    assert await afterwards.cancel_all(function=mail, state="waiting") == 3
    assert await afterwards.cancel_all(function=mail) == 0
    assert await afterwards.retry_all(function=mail) == 0, "only failed ones, unless it is said"
    assert await afterwards.retry_all(function=mail, state="cancelled") == 3
    assert await afterwards.cancel_all() in range(3, 7), "those that have not been run yet"


async def test_what_has_ended_is_deleted_one_or_all(afterwards: Afterwards):
    handles = await some(afterwards, 4)
    waiting = await afterwards.using(delay=60).add(mail, "later")
    assert await afterwards.delete(handles[0].id)
    with pytest.raises(UnknownTask):
        await afterwards.get(handles[0].id)
    assert not await afterwards.delete(waiting.id)
    with pytest.raises(UnknownTask):
        await afterwards.delete(new_id())
    assert await afterwards.delete_all(ids=[handles[1].id, waiting.id, new_id()]) == 1
    assert await afterwards.delete_all(queue="mail", state=State.FAILED) == 0
    assert await afterwards.delete_all() == 2
    assert [task.id for task in await afterwards.find()] == [waiting.id]


async def test_a_store_that_goes_away_in_between_keeps_what_was_done_and_the_next_call_goes_on(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    broken.add("mail")
    await asyncio.gather(*(afterwards.add(mail, f"{n}") for n in range(700)))
    await afterwards.drain()
    await afterwards.pause("mail")
    store, calls = afterwards.house.store, 0
    real = store.retry

    async def away(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreUnavailable("gone")
        return await real(*args, **more)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(store, "retry", away)
    with pytest.raises(StoreUnavailable):
        await afterwards.retry_all()
    done = (await afterwards.census()).by_state[State.WAITING]
    assert 0 < done < 700
    assert await afterwards.retry_all() == 700 - done
