"""Chains and groups as people write them: results from step to step, failures, retries; from every door."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from typing_extensions import TypeAliasType

from afterwards import (
    SOLVED,
    Afterwards,
    BackgroundTasks,
    Chained,
    Former,
    Retry,
    State,
    Task,
    call,
    current_task,
)
from afterwards.testing import inline, recorded
from tests.rooms import isolated_functions

seen: list[object] = []


class Order(BaseModel):
    number: int
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'chains.db'}", retry=Retry.never)


async def number(n: int) -> int:
    return n


def double(value: Former[int]) -> int:
    return value * 2


def multiplied(by: int, value: Former[int]) -> int:
    return value * by


async def add_up(values: Former[list[int]] = SOLVED, title: str = "sum") -> str:
    return f"{title}: {sum(values)}"


def keep(value: Former[Any]) -> None:
    seen.append(value)


def note(what: str) -> None:
    seen.append(what)


def fail(why: str = "no reason") -> int:
    raise ValueError(why)


def order(n: int) -> Order:
    return Order(number=n)


async def number_of(order: Former[Order]) -> int:
    return order.number


def unkeepable() -> object:
    return object()


async def run(afterwards: Afterwards, chained: Chained) -> list[Task]:
    await afterwards.drain()
    return await afterwards.wait_all(chained.ids, timeout=10)


def states(tasks: list[Task]) -> list[State]:
    return [task.state for task in tasks]


# Results from step to step


async def test_each_step_gets_what_the_one_before_returned(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(number, 5), call(double), call(multiplied, 3), call(keep))
        assert states(await run(afterwards, chained)) == [State.DONE] * 4
        assert chained.ends == chained.ids[-1:]
    assert seen == [30]


async def test_a_step_may_leave_the_result_alone(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        await run(afterwards, await afterwards.chain(call(number, 5), call(note, "second"), call(note, "third")))
    assert seen == ["second", "third"]


async def test_what_is_given_by_name_goes_before_the_result(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(number, 5), call(double, value=50), call(keep))
        await run(afterwards, chained)
    assert seen == [100]


async def test_results_come_as_they_are_annotated(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        await run(afterwards, await afterwards.chain(call(order, 7), call(number_of), call(keep)))
    assert seen == [7]


async def test_what_needs_a_group_gets_a_list_in_its_order(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        members = [call(number, n) for n in range(20)]
        chained = await afterwards.group(members, then=call(add_up, title="all"))
        tasks = await run(afterwards, chained)
        assert (await afterwards.get(chained.ends[0])).state is State.DONE
        assert len(tasks) == 21
        await run(afterwards, await afterwards.chain(afterwards.group([call(number, 2), call(number, 1)]), call(keep)))
    assert seen == [[2, 1]]


async def test_chains_and_groups_nest(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        pair = afterwards.group([call(double), afterwards.chain(call(double), call(double))])
        chained = await afterwards.chain(
            call(number, 1),
            afterwards.group([pair, call(multiplied, 10)]),
            afterwards.group([call(keep)], then=call(note, "end")),
        )
        tasks = await run(afterwards, chained)
        assert states(tasks) == [State.DONE] * len(tasks)
        assert {task.link.chain for task in tasks if task.link is not None} == {chained.ids[0]}
    assert seen == [[[2, 4], 10], "end"]


async def test_a_group_of_nothing_lets_the_next_start_with_an_empty_list(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        await run(afterwards, await afterwards.group([], then=call(keep)))
        await run(afterwards, await afterwards.chain(call(number, 1), afterwards.group([]), call(keep)))
        assert await afterwards.group([]) == Chained(ids=(), ends=())
    assert seen == [[], []]


async def test_a_result_that_does_not_fit_fails_the_step_as_arguments(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        *_, last = await run(afterwards, await afterwards.chain(call(order, 7), call(double)))
        assert last.state is State.FAILED
        assert last.error is not None
        assert (last.error.kind, "value" in last.error.message) == ("arguments", True)


async def test_a_result_that_could_not_be_kept_is_named(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        first, last = await run(afterwards, await afterwards.chain(call(unkeepable), call(keep)))
        assert (first.state, last.state) == (State.DONE, State.FAILED)
        assert last.error is not None
        assert str(first.id) in last.error.message
        assert first.error is not None
        assert first.error.message in last.error.message


async def test_a_result_that_nobody_takes_is_not_kept(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        tasks = await run(afterwards, await afterwards.chain(call(number, 5), call(double), call(note, "x")))
        assert [task.returned for task in tasks] == ["5", None, None]


async def test_steps_run_one_after_another_in_a_worker(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        chained = await afterwards.chain(call(number, 1), *[call(double)] * 20, call(keep))
        await afterwards.wait_all(chained.ends, timeout=20)
    assert seen == [2**20]


# When a step is not done


async def test_what_needs_a_failed_step_is_cancelled_and_says_why(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        tasks = await run(afterwards, await afterwards.chain(call(fail), call(double), call(keep)))
        assert states(tasks) == [State.FAILED, State.CANCELLED, State.CANCELLED]
        assert f"task {tasks[0].id}, which it needs, has failed" in str(tasks[1].error)
    assert seen == []


async def test_a_step_that_is_tried_again_keeps_the_next_waiting(afterwards: Afterwards) -> None:
    async with afterwards.opened(worker=True):
        retry = Retry(attempts=2, first=0.2, jitter=0)
        chained = await afterwards.chain(call(fail_once).using(retry=retry), call(keep))
        tasks = await afterwards.wait_all(chained.ids, timeout=10)
        assert [task.attempt for task in tasks] == [2, 1]
    assert seen == ["failed", 2]


async def fail_once() -> int:
    if current_task().attempt == 1:
        seen.append("failed")
        raise ValueError("once")
    return current_task().attempt


async def test_a_step_may_start_anyway_with_none_for_what_is_missing(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        group = afterwards.group([call(number, 1), call(fail), call(number, 3)], then=call(keep).anyway())
        tasks = await run(afterwards, await group)
        assert states(tasks) == [State.DONE, State.FAILED, State.DONE, State.DONE]
    assert seen == [[1, None, 3]]


async def test_retrying_what_failed_lets_the_chain_go_on(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(fail_until_told), call(double), call(keep))
        await run(afterwards, chained)
        seen.append("told")
        await afterwards.retry(chained.ids[0])
        assert states(await run(afterwards, chained)) == [State.DONE] * 3
    assert seen == ["told", 42]


async def fail_until_told() -> int:
    if "told" not in seen:
        raise ValueError("not told")
    return 21


async def test_cancelling_the_first_cancels_all(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(number, 1), call(double), call(keep))
        await afterwards.cancel(chained.ids[0])
        assert states(await afterwards.wait_all(chained.ids, timeout=5)) == [State.CANCELLED] * 3


# Doors


def test_a_chain_of_a_request_is_stored_with_its_other_tasks(afterwards: Afterwards) -> None:
    app = FastAPI()
    afterwards.install(app)
    added: list[Chained] = []

    @app.post("/orders/{n}")
    async def endpoint(n: int, background_tasks: BackgroundTasks) -> dict[str, str]:
        background_tasks.add_task(note, "alone")
        added.append(background_tasks.add_chain(call(order, n), call(number_of), call(keep)))
        added.append(background_tasks.add_group([call(number, n)] * 2, then=call(keep)))
        if n == 13:
            raise RuntimeError("unlucky")
        return {"end": str(added[0].ends[0])}

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/orders/13").status_code == 500
        found = client.portal.call(afterwards.find)  # type: ignore[union-attr]  # inside the block there is one
        assert found == []
        assert client.post("/orders/7").status_code == 200
        for chained in added[2:]:
            client.portal.call(afterwards.wait_all, chained.ids, 10)  # type: ignore[union-attr]  # as above
    assert sorted(map(str, seen)) == ["7", "[7, 7]", "alone"]


async def add_a_chain(background_tasks: BackgroundTasks = SOLVED) -> None:
    background_tasks.add_chain(call(number, 4), call(double), call(keep))


async def test_a_task_may_add_a_chain(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        await afterwards.add(add_a_chain)
        await afterwards.drain()
    assert seen == [8]


async def settle_with_a_chain(url: str, background_tasks: BackgroundTasks = SOLVED) -> None:
    engine = create_async_engine(url)
    background_tasks.add_chain(call(number, 4), call(double), call(keep))
    async with AsyncSession(engine) as session:
        await current_task().done_in(session)
        await session.commit()
    await engine.dispose()


async def test_a_task_that_is_settled_by_its_own_transaction_may_add_a_chain(
    afterwards: Afterwards, tmp_path: Path
) -> None:
    async with afterwards.opened():
        task = await afterwards.add(settle_with_a_chain, f"sqlite+aiosqlite:///{tmp_path / 'chains.db'}")
        await afterwards.drain()
        assert (await afterwards.get(task.id)).state is State.DONE
    assert seen == [8]


async def test_a_step_that_others_need_cannot_be_settled_by_a_transaction(
    afterwards: Afterwards, tmp_path: Path
) -> None:
    async with afterwards.opened():
        url = f"sqlite+aiosqlite:///{tmp_path / 'chains.db'}"
        first, last = await run(afterwards, await afterwards.chain(call(settle_with_a_chain, url), call(note, "next")))
        assert (first.state, last.state) == (State.FAILED, State.CANCELLED)
        assert "other steps of its chain need this task" in str(first.error)


def test_inline_runs_a_chain_with_its_results(afterwards: Afterwards) -> None:
    async def work() -> None:
        await afterwards.chain(call(number, 5), call(double), call(keep))
        await afterwards.group([call(number, 1), call(number, 2)], then=call(keep))

    with inline(afterwards):
        asyncio.run(work())
    assert seen == [10, [1, 2]]


def test_inline_raises_what_a_step_raised_and_runs_what_starts_anyway(afterwards: Afterwards) -> None:
    async def work() -> None:
        await afterwards.chain(call(fail), call(double), call(keep).anyway())

    with inline(afterwards), pytest.raises(ValueError, match="no reason"):
        asyncio.run(work())
    assert seen == [None]


def test_recorded_steps_can_be_asked_for(afterwards: Afterwards) -> None:
    async def work() -> None:
        await afterwards.chain(call(number, 5), call(multiplied, 3), call(keep))

    with recorded(afterwards) as tasks:
        asyncio.run(work())
    assert tasks.added(call(number, 5))
    assert tasks.added(number, 5), "the first one is a call like any other"
    assert tasks.count(call(multiplied, 3)) == 1
    assert tasks.added(call(keep))
    assert not tasks.added(call(multiplied, 4))
    assert not tasks.added(call(double))
    with pytest.raises(TypeError, match="missing"):
        tasks.added(multiplied, 3)  # type: ignore[call-overload]  # it is no step


async def test_an_isolated_step_gets_its_result_too(afterwards: Afterwards) -> None:
    afterwards.task(isolate=True)(isolated_functions.doubled)
    async with afterwards.opened(worker=True):
        chained = await afterwards.chain(call(number, 1), *[call(isolated_functions.doubled)] * 2, call(keep))
        await afterwards.wait_all(chained.ends, timeout=60)
    assert seen == [4]


# Nonsense


def untyped(value: object) -> Any:
    return value


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda it: it.chain(), ValueError, "without a step"),
        (lambda it: it.chain(number), TypeError, r"call\(number, ...\)"),
        (lambda it: it.group([call(number, 1), 3]), TypeError, "not 3"),
        (lambda it: it.group(call(number, 1)), TypeError, r"group takes a list of parts"),
        (lambda it: it.group([call(number, 1)], then=double), TypeError, r"call\(double, ...\)"),
        (lambda it: it.chain(call(number, 1).using(key="x")), ValueError, "takes no key="),
        (lambda it: it.chain(call(number, 1).using(transaction=untyped(None))), ValueError, "takes no transaction="),
        (lambda it: it.chain(call(number, 1).using(delay=-1)), ValueError, "negative"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(
    afterwards: Afterwards, make: Callable[[Any], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make(afterwards)


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ([call(double)], TypeError, "missing a required argument: 'value'"),
        ([call(number, 1), call(untyped(multiplied), 2, 3, 4)], TypeError, "too many positional arguments"),
        ([call(number, 1), call(lambda: None)], Exception, "name"),
    ],
)
async def test_a_chain_with_a_bad_step_is_not_stored_at_all(
    afterwards: Afterwards, parts: list[Any], error: type[Exception], words: str
) -> None:
    async with afterwards.opened():
        with pytest.raises(error, match=words):
            await afterwards.chain(*parts)
        assert await afterwards.find() == []


@pytest.mark.parametrize(
    ("groups", "words"), [([10_001], "at most 10,000 steps, not 10,001"), ([400, 400], "need each other 160,000 times")]
)
async def test_a_chain_that_is_too_large_is_refused(afterwards: Afterwards, groups: list[int], words: str) -> None:
    async with afterwards.opened():
        with pytest.raises(ValueError, match=words):
            await afterwards.chain(*(afterwards.group([call(number, 1)] * count) for count in groups))
        assert await afterwards.find() == []


async def test_a_step_whose_function_has_a_key_is_refused(afterwards: Afterwards) -> None:
    @afterwards.task(key="once", name="keyed")
    def keyed() -> None: ...

    async with afterwards.opened():
        with pytest.raises(ValueError, match="a step of a chain takes none"):
            await afterwards.chain(call(number, 1), call(keyed))


async def test_options_that_are_said_one_after_another_hold_together(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(number, 1).using(queue="slow", priority=9).using(timeout=3))
        task = await afterwards.get(chained.ids[0])
        assert (task.queue, task.priority, task.timeout) == ("slow", 9, timedelta(seconds=3))


def maybe(value: Former[int] | None = None) -> None:
    seen.append(value)


Count = TypeAliasType("Count", Former[int])
Counts = TypeAliasType("Counts", Count)


def by_alias(value: Counts = 0) -> None:
    seen.append(value)


async def test_a_parameter_is_found_however_its_annotation_is_written(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        await run(afterwards, await afterwards.chain(call(number, 5), call(maybe)))
        await run(afterwards, await afterwards.chain(call(number, 6), call(by_alias)))
    assert seen == [5, 6]


def of_all(*values: Former[int]) -> None: ...


def of_two(one: Former[int], two: Former[int] = 7) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [(of_all, r"takes \*values: .*a list after"), (of_two, "takes one and two as Former")],
)
async def test_a_function_that_would_not_get_its_result_is_refused(
    afterwards: Afterwards, function: Callable[..., None], words: str
) -> None:
    async with afterwards.opened():
        with pytest.raises(TypeError, match=words):
            await afterwards.chain(call(number, 1), call(function))


async def test_what_is_solved_in_a_chain_only_is_missed_outside(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        with pytest.raises(TypeError, match="missing a required argument: 'values'"):
            await afterwards.add(add_up)
        with pytest.raises(TypeError, match="missing a required argument: 'values'"):
            await afterwards.chain(call(add_up))


async def test_a_result_of_another_type_names_who_returned_it(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        *_, last = await run(afterwards, await afterwards.chain(call(number, 1), call(add_up)))
        assert re.search(r"add_up takes the result of .*:number as 'values'", str(last.error))


async def test_a_step_that_is_free_waits_for_one_that_is_retried(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(number, 3), call(keep).using(queue="later"))
        await afterwards.pause("later")
        await afterwards.drain()
        await afterwards.pause("default")
        await afterwards.retry(chained.ids[0])
        await afterwards.resume("later")
        async with afterwards.opened(worker=True):
            with pytest.raises(TimeoutError):
                await afterwards.wait(chained.ids[1], timeout=0.5)
            await afterwards.resume("default")
            last = await afterwards.wait(chained.ids[1], timeout=20)
        assert (last.state, last.attempt) == (State.DONE, 1)
    assert seen == [3]


async def test_a_chain_that_nobody_awaits_says_so(afterwards: Afterwards) -> None:
    with pytest.warns(RuntimeWarning, match="never awaited"):
        afterwards.chain(call(number, 1))


def test_recorded_steps_with_more_defaults_can_be_asked_for(afterwards: Afterwards) -> None:
    async def work() -> None:
        await afterwards.group([call(number, 1)], then=call(add_up, "Pages"))

    with recorded(afterwards) as tasks:
        asyncio.run(work())
    assert tasks.added(call(add_up, "Pages"))
    assert not tasks.added(call(add_up, "Other"))


async def test_delays_count_from_when_the_chain_is_stored(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        chained = await afterwards.chain(call(number, 1), call(keep).using(delay=timedelta(hours=1)))
        await afterwards.drain()
        task = await afterwards.get(chained.ends[0])
        assert (task.state, task.held, task.due - task.added) == (State.WAITING, None, timedelta(hours=1))
