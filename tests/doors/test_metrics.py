"""What Prometheus reads: counts of the whole store, in a form that its own parser takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from afterwards import Afterwards, Retry
from afterwards.errors import StoreUnavailable
from afterwards.metrics import MOST_QUEUES, OTHERS, Metrics
from afterwards.tasks import Census


def greet(name: str) -> None: ...


def fail() -> None:
    raise ValueError("no")


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'metrics.db'}", worker=False, retry=Retry.never)


async def some_tasks(afterwards: Afterwards) -> None:
    async with afterwards.opened():
        await afterwards.add(greet, "Ada")
        await afterwards.add(fail)
        await afterwards.drain()
        await afterwards.using(queue='odd "queue"\n').add(greet, "now")
        await afterwards.using(queue="later", delay=3600).add(greet, "later")
        await afterwards.pause("slow")


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and the one label, as the parser of Prometheus reads them."""
    return {
        (sample.name.removeprefix("afterwards_"), "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_scrape_tells_the_counts_of_the_store(afterwards: Afterwards):
    await some_tasks(afterwards)
    app = FastAPI()
    afterwards.install(app)
    app.mount("/metrics", afterwards.metrics())
    with TestClient(app) as client:
        answer = client.get("/metrics")
        assert client.post("/metrics").status_code == 405
    assert answer.headers["content-type"].startswith("text/plain")
    told = samples(answer.text)
    states = ("waiting", "running", "done", "failed", "cancelled")
    assert [told["tasks", state] for state in states] == [2, 0, 1, 1, 0]
    assert (told["waiting_tasks", 'odd "queue"\n'], told["waiting_tasks", "later"]) == (1, 1)
    assert (told["due_tasks", ""], told["paused_queues", ""], told["store_up", ""]) == (1, 1, 1)
    assert [key for key in told if key[0] == "oldest_due_seconds"] == [("oldest_due_seconds", 'odd "queue"\n')]
    assert told["oldest_due_seconds", 'odd "queue"\n'] > 0
    assert [told["workers", state] for state in ("alive", "leaving", "dead")] == [0, 0, 0]


async def test_openmetrics_is_spoken_to_who_asks_for_it(afterwards: Afterwards):
    await some_tasks(afterwards)
    app = FastAPI()
    app.mount("/metrics", afterwards.metrics())
    asks = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = TestClient(app).get("/metrics", headers=asks)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_a_registry_of_ones_own_can_have_it(afterwards: Afterwards):
    await some_tasks(afterwards)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(afterwards.metrics())
    assert samples(generate_latest(registry).decode())["tasks", "done"] == 1


async def never_there() -> Census:
    raise StoreUnavailable("nobody there")


def test_a_store_that_is_away_is_told_as_that():
    registry = CollectorRegistry()
    registry.register(Metrics(never_there))
    assert samples(generate_latest(registry).decode()) == {("store_up", ""): 0}
    app = FastAPI()
    app.mount("/metrics", Metrics(never_there))
    assert samples(TestClient(app).get("/metrics").text) == {("store_up", ""): 0}


async def test_queues_without_end_are_told_together(afterwards: Afterwards):
    async with afterwards.opened():
        for number in range(MOST_QUEUES + 3):
            for _ in range(2 if number < MOST_QUEUES else 1):
                await afterwards.using(queue=f"queue {number}").add(greet, "Ada")
    registry = CollectorRegistry()
    registry.register(afterwards.metrics())
    told = samples(generate_latest(registry).decode())
    waiting = {label: value for (name, label), value in told.items() if name == "waiting_tasks"}
    assert (len(waiting), waiting[OTHERS], waiting["queue 0"]) == (MOST_QUEUES + 1, 3, 2)
    assert sum(name == "oldest_due_seconds" for name, _ in told) == MOST_QUEUES
