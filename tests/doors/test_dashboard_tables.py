"""The dashboard's tables: in which order tasks stand, how many match, and which limits there are."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from afterwards import Afterwards, Retry
from afterwards.dashboard.completing import completions
from afterwards.dashboard.searching import parse
from afterwards.dashboard.tables import known
from afterwards.first_run import first_run
from afterwards.ids import new_id
from afterwards.tasks import Call, Census, Failure, State, Task, WorkerId
from tests.doors.asgi import served
from tests.doors.dashboards import act, app_of, stored
from tests.doors.diary import fail, note
from tests.doors.streams import stream

NOW = datetime(2031, 2, 3, tzinfo=UTC)


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def limited() -> None: ...


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, lambda request: True)) as client:
        yield client


def ids(client: TestClient, **query: Any) -> list[str]:
    """The tasks on the page, from above."""
    return re.findall(r'<tr id="t-([\w-]+)"', client.get("/afterwards/tasks", params=query).text)


# In which order


def test_tasks_stand_the_newest_first(client: TestClient, afterwards: Afterwards):
    tasks = stored(afterwards, *[(note, str(number)) for number in range(5)])
    assert ids(client) == [str(task.id) for task in reversed(tasks)]
    assert ids(client, by="nonsense") == ids(client)


def test_or_those_that_ran_longest(client: TestClient, afterwards: Afterwards):
    tasks = stored(afterwards, *[(sleep, seconds) for seconds in (0.06, 0.0, 0.12)])
    expected = [str(tasks[number].id) for number in (2, 0, 1)]
    assert ids(client, by="run") == expected
    assert ids(client, by="run", q="function:sleep") == expected
    assert ids(client, by="run", q="function:note") == []


def test_or_those_that_waited_longest(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.pause("default"))
    handles = []
    for delay in (0, 0, 600):
        handles.append(asyncio.run(afterwards.using(delay=delay).add(note, "a")))
        time.sleep(0.05)
    assert ids(client, by="wait") == [str(handle.id) for handle in handles], "one that is not due has not waited"


def test_or_those_that_were_tried_most(client: TestClient, afterwards: Afterwards):
    eager = Retry(attempts=3, first=0.0, factor=1.0)
    handles = [asyncio.run(afterwards.using(retry=retry).add(fail, "a")) for retry in (Retry.never, eager, Retry.never)]
    asyncio.run(afterwards.drain())
    assert ids(client, by="tries")[0] == str(handles[1].id)


def test_the_order_is_of_the_newest_that_match_and_goes_on_from_page_to_page(
    client: TestClient, afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("afterwards.dashboard.ranking.AMONG", 60)
    stored(afterwards, *[(note, str(number)) for number in range(70)])
    page = client.get("/afterwards/tasks?by=run").text
    assert "In this order among the newest 60 that match." in page
    (more,) = re.findall(r'rel="next" href="([^"]+)"', page)
    second = client.get(more.replace("&amp;", "&")).text
    shown = [re.findall(r'<tr id="t-([\w-]+)"', text) for text in (page, second)]
    assert [len(part) for part in shown] == [50, 10]
    assert not set(shown[0]) & set(shown[1])
    assert 'rel="next"' not in second
    assert 'aria-sort="descending"><a href="/afterwards/tasks?q=&amp;by=run">Ran</a>' in page


@pytest.mark.parametrize("skip", ["-1", "99999999", "x", "٣", ""])
def test_a_page_that_there_is_not_is_empty_or_the_first(client: TestClient, afterwards: Afterwards, skip: str):
    stored(afterwards, (note, "a"))
    assert client.get("/afterwards/tasks", params={"by": "run", "skip": skip}).status_code == 200


# How many


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 30),
        ("state:failed", 20),
        ("state:cancelled", 0),
        ("state:waiting queue:mail", 7),
        ("state:waiting queue:other", 0),
        ("queue:mail", None),
        ("state:failed queue:mail", None),
        ("function:main:send", None),
        ("words", None),
        ("added:1h", None),
        ("id:00000000-0000-0000-0000-000000000007", None),
    ],
)
def test_how_many_match_is_said_where_the_store_counts_them(query: str, count: int | None):
    by_state = {State.FAILED: 20, State.WAITING: 10}
    now = parse("added:1h").search.added_after or parse("added:1h").since
    assert now is not None
    assert known(parse(query), Census(now=now, by_state=by_state, waiting_by_queue={"mail": 7})) == count


def test_and_stands_beside_what_can_be_done_to_all(client: TestClient, afterwards: Afterwards):
    stored(afterwards, (fail, "a"), (fail, "b"), (note, "c"))
    assert "All that match (2)" in client.get("/afterwards/tasks?q=state:failed").text
    assert "All that match</legend>" in client.get("/afterwards/tasks?q=state:failed+a").text


# What a search can be completed with


def a_failed_task(name: str, queue: str, kind: str) -> Task:
    call = Call(id=new_id(), name=name, arguments="{}", queue=queue)
    return replace(
        first_run(call, now=NOW, worker=WorkerId("w")), state=State.FAILED, error=Failure(kind=kind, message="no")
    )


def test_a_search_is_completed_with_what_there_is():
    census = Census(now=NOW, waiting_by_queue={"my mail": 3}, paused=("night",))
    tasks = [a_failed_task("shop:send", "mail", "TimeoutError"), a_failed_task("shop:send\u202e", "x" * 101, "a\x1bb")]
    terms = completions(census, tasks, ["shop:pay"])
    assert terms == [
        *("state:", "state:cancelled", "state:done", "state:failed", "state:running", "state:waiting"),
        *("queue:", "queue:mail", "queue:'my mail'", "queue:night"),
        *("function:", "function:shop:pay", "function:shop:send"),
        *("key:", "error:", "error:TimeoutError", "id:", "added:", "added:1d", "added:1h", "added:7d"),
    ]
    for term in terms:
        assert term.endswith(":") or parse(term).words == (), "each is understood"


# What a person types


@pytest.mark.parametrize("space", [" ", "  ", "\u3000", "\u00a0"], ids=ascii)
def test_spaces_of_every_width_are_looked_for_as_they_are_typed(client: TestClient, afterwards: Afterwards, space: str):
    name, text = f"全角{space}空白", f"テスト{space}太郎"
    asyncio.run(afterwards.using(queue=name, delay=60).add(note, text))
    for typed in (f"queue:'{name}'", f"'{text}'"):
        assert len(ids(client, q=typed)) == 1


def test_a_search_keeps_its_spaces_in_another_state():
    query = parse("state:failed queue:'two  spaces'  state:done x")
    assert query.with_state(State.WAITING) == "state:waiting queue:'two  spaces'  x"
    assert query.with_state(None) == "queue:'two  spaces'  x"
    assert parse("mystate:x").with_state(None) == "mystate:x"


# Limits


def test_limits_are_those_that_this_code_declares(client: TestClient, afterwards: Afterwards):
    assert "Limits of functions" not in client.get("/afterwards/queues").text
    afterwards.queue("mail", limit=4, rate="100/minute")
    afterwards.task(limit=1, version=2)(limited)
    page = client.get("/afterwards/queues").text
    assert re.search(r'mail</a></th>.*?<td class="r spare">4 at once, 100 in 1 min</td>', page, re.DOTALL)
    assert re.search(r'default</a></th>.*?<td class="r spare">–</td>', page, re.DOTALL)
    assert re.findall(r'limited</a></th><td class="r">(.*?)</td>', page) == ["1 at once"]
    assert "no store tells those of other code" in page


# How often it counts


def test_a_store_that_takes_long_to_count_is_counted_less_often_but_after_every_action(
    client: TestClient, afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    store, times = afterwards.house.store, list[float]()
    census = store.census

    async def slow_census() -> Census:
        times.append(time.monotonic())
        await asyncio.sleep(0.4)  # so that it is kept for 20 s
        return await census()

    monkeypatch.setattr(store, "census", slow_census)
    for page in ("", "tasks", "queues", "tasks/confirm?verb=retry"):
        client.get(f"/afterwards/{page}")
    time.sleep(1.2)  # longer than a quick count is kept
    assert re.search(r"counted \d+ s ago", client.get("/afterwards/").text)
    assert len(times) == 1
    act(client, "queues", verb="pause", name="mail")
    assert "Resume" in client.get("/afterwards/queues").text
    assert len(times) == 2


def test_open_pages_are_told_that_the_stream_is_there_also_where_counting_takes_long(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("afterwards.dashboard.pulse.PAUSE", 0.01)
    monkeypatch.setattr("afterwards.dashboard.pulse.HEARTBEAT", 0.1)
    store, times = afterwards.house.store, list[float]()
    census = store.census

    async def slow_census() -> Census:
        times.append(time.monotonic())
        await asyncio.sleep(0.2)  # so that the next look is in ten seconds
        return await census()

    monkeypatch.setattr(store, "census", slow_census)
    app = app_of(afterwards, lambda request: True)
    with served(app) as address, stream(address, "/afterwards/live") as live:
        assert [next(live).comment for _ in range(5)] == ["still here"] * 5
    assert len(times) == 1


# One task


def test_a_task_names_the_trace_in_which_it_was_added(client: TestClient, afterwards: Afterwards):
    traced = Call(id=new_id(), name="main:send", arguments="{}", trace=f'{{"traceparent": "00-{7:032x}-{8:016x}-01"}}')
    other = Call(id=new_id(), name="main:send", arguments="{}", trace='{"baggage": "customer=ada"}')
    asyncio.run(afterwards.house.store.add([traced, other]))
    assert f"<dt>Trace</dt><dd><code>{7:032x}</code></dd>" in client.get(f"/afterwards/tasks/{traced.id}").text
    page = client.get(f"/afterwards/tasks/{other.id}").text
    assert "<dt>Trace</dt>" not in page
    assert "customer=ada" not in page
