"""What the dashboard shows of a chain, and what it does to a step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from afterwards import Afterwards, Former, Retry, State, Task, Visitor, call
from tests.doors.dashboards import act, app_of


async def count(page: int) -> int:
    if page == 13:
        raise ValueError("unlucky")
    return page


async def add_up(counts: Former[list[int]]) -> int:
    return sum(counts)


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, lambda request: Visitor(name="ada")), follow_redirects=False) as client:
        yield client


def a_group(afterwards: Afterwards, *pages: int, drained: bool = True) -> list[Task]:
    async def add() -> list[Task]:
        last = call(add_up).using(keep_result=True)
        chained = await afterwards.group([call(count, page) for page in pages], then=last)
        if drained:
            await afterwards.drain()
        return [await afterwards.get(id) for id in chained.ids]

    return asyncio.run(add())


def test_a_step_shows_what_it_needs_and_where_its_chain_began(client: TestClient, afterwards: Afterwards):
    *members, last = a_group(afterwards, 1, 13)
    page = client.get(f"/afterwards/tasks/{last.id}").text
    assert page.index(f"/afterwards/tasks/{members[0].id}") < page.index(f"/afterwards/tasks/{members[1].id}")
    assert f"task {members[1].id}, which it needs, has failed" in page
    assert "begins here" in client.get(f"/afterwards/tasks/{members[0].id}").text
    assert "begins here" not in page


def test_of_a_large_group_some_are_shown_and_the_rest_counted(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.pause("default"))
    *_, last = a_group(afterwards, *range(30), drained=False)
    page = client.get(f"/afterwards/tasks/{last.id}").text
    assert 'waiting</span> <span class="soft">for what it needs<' in page
    assert page.count("<li><a") == 20
    assert "and 10 more" in page


def test_what_a_step_needed_and_is_not_kept_any_more_is_counted_apart(client: TestClient, afterwards: Afterwards):
    first, _, last = a_group(afterwards, 1, 2)
    asyncio.run(afterwards.delete(first.id))
    page = client.get(f"/afterwards/tasks/{last.id}").text
    assert page.count("<li><a") == 1
    assert "1 not kept any more" in page
    assert "and 1 more" not in page


def test_retrying_the_step_that_failed_lets_the_next_wait_again(client: TestClient, afterwards: Afterwards):
    *members, last = a_group(afterwards, 1, 13)
    asyncio.run(afterwards.pause("default"))
    act(client, "tasks", verb="retry", id=str(members[1].id))
    assert asyncio.run(afterwards.get(last.id)).state is State.WAITING


def test_a_copy_of_a_step_takes_the_same_results(client: TestClient, afterwards: Afterwards):
    *_, last = a_group(afterwards, 1, 2)
    place = act(client, "copy", id=str(last.id)).headers["Location"]
    copy = asyncio.run(afterwards.wait(UUID(place.rpartition("/")[2].partition("?")[0]), timeout=20))
    assert (copy.id != last.id, copy.result) == (True, 3)
