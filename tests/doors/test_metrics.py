"""What Prometheus reads: counts of the whole store, in a form that its own parser takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,  # pyright: ignore[reportUnknownVariableType]  # untyped
)
from prometheus_client.parser import text_string_to_metric_families

from afterwards import Afterwards, Retry
from afterwards.errors import StoreUnavailable
from afterwards.exposition import MOST_QUEUES
from afterwards.metrics import Metrics
from afterwards.outcomes import Ending
from afterwards.tallies import BOUNDS, MOST_KINDS, OTHERS, RunCounts, Tally
from afterwards.tasks import Census, WorkerId
from tests import scrapes
from tests.contract.builders import LEASE, a_card


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
    told = {family.name: family.type for family in openmetrics_families(answer.text)}
    assert (told["afterwards_runs"], told["afterwards_wait_seconds"]) == ("counter", "histogram")


async def test_a_registry_of_ones_own_can_have_it(afterwards: Afterwards):
    await some_tasks(afterwards)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(afterwards.metrics())
    assert samples(generate_latest(registry).decode())["tasks", "done"] == 1


async def never_there() -> Census:
    raise StoreUnavailable("nobody there")


async def nothing_counted() -> Mapping[WorkerId, Tally]:
    return {}


def test_a_store_that_is_away_is_told_as_that():
    registry = CollectorRegistry()
    registry.register(Metrics(never_there, nothing_counted))
    assert samples(generate_latest(registry).decode()) == {("store_up", ""): 0}
    app = FastAPI()
    app.mount("/metrics", Metrics(never_there, nothing_counted))
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


def scraped(afterwards: Afterwards) -> str:
    registry = CollectorRegistry()
    registry.register(afterwards.metrics())
    return generate_latest(registry).decode()


async def scrape(afterwards: Afterwards) -> dict[str, scrapes.Family]:
    return scrapes.read(await asyncio.to_thread(scraped, afterwards))


async def test_what_is_told_is_as_it_has_to_be_and_counts_what_ran(afterwards: Afterwards):
    await some_tasks(afterwards)
    families = await scrape(afterwards)
    told = scrapes.values(families)
    here = f"{__name__}:"
    of_fail = {"function": f"{here}fail", "queue": "default"}
    assert scrapes.total(told, "afterwards_runs_total", **of_fail, ending="failed") == 1
    assert scrapes.total(told, "afterwards_runs_total", **of_fail, ending="done") == 0
    assert scrapes.total(told, "afterwards_runs_total", function=f"{here}greet", ending="done") == 1
    for name in ("run", "wait"):
        assert scrapes.total(told, f"afterwards_{name}_seconds_count", **of_fail) == 1
        assert scrapes.total(told, f"afterwards_{name}_seconds_bucket", **of_fail, le="+Inf") == 1
        assert 0 <= scrapes.total(told, f"afterwards_{name}_seconds_sum", **of_fail) < 10
    kinds = {family.name: family.kind for family in families.values()}
    assert kinds["afterwards_runs_total"] == kinds["afterwards_rescued_tasks_total"] == "counter"
    assert kinds["afterwards_event_loop_lag_seconds"] == "histogram"


async def test_of_each_kind_of_run_every_ending_and_every_edge_is_told(afterwards: Afterwards):
    await some_tasks(afterwards)
    told = scrapes.values(await scrape(afterwards))
    of_fail = [dict(labels) for (_, labels) in told if ("function", f"{__name__}:fail") in labels]
    assert {labels["ending"] for labels in of_fail if "ending" in labels} == set(Ending)
    assert {float(labels["le"]) for labels in of_fail if "le" in labels} == {*BOUNDS, float("inf")}


async def test_a_restart_loses_no_count(tmp_path: Path):
    url, told = f"sqlite:///{tmp_path / 'metrics.db'}", dict[scrapes.Series, float]()
    for restart in range(1, 4):
        afterwards = Afterwards(url=url, worker=False)
        async with afterwards.opened():
            await afterwards.add(greet, "Ada")
            await afterwards.drain()
            now = scrapes.sums(await scrape(afterwards))
        assert scrapes.fallen(told, now) == {}
        assert scrapes.total(now, "afterwards_runs_total", ending="done") == restart
        told = now


async def test_functions_and_queues_without_end_are_told_together(afterwards: Afterwards):
    store = afterwards.house.store
    async with afterwards.opened():
        for worker in ("a", "b"):
            card = a_card(worker)
            await store.sign_on(card)
            kinds = [(f"app:f{number}", f"{worker} {number}") for number in range(MOST_KINDS)]
            runs = {kind: RunCounts(first=place, counts={"done": 1}) for place, kind in enumerate(kinds)}
            await store.renew(card.id, lease=LEASE, tally=Tally(runs=runs))
        told = scrapes.values(await scrape(afterwards))
    done = {labels: value for (name, labels), value in told.items() if ("ending", "done") in labels and value}
    assert sum(done.values()) == 2 * MOST_KINDS
    assert MOST_KINDS < len(done) <= 2 * MOST_KINDS + 1
    assert scrapes.total(told, "afterwards_runs_total", queue=OTHERS, ending="done") == MOST_KINDS


async def test_names_that_are_odd_are_told_as_they_are(afterwards: Afterwards):
    await some_tasks(afterwards)
    store, odd = afterwards.house.store, ('app:"f"\\', "line\nbreak, {x}")
    async with afterwards.opened():
        await store.sign_on(a_card())
        runs = {odd: RunCounts(first=0, counts={"done": 4})}
        await store.renew(a_card().id, lease=LEASE, tally=Tally(runs=runs))
        told = scrapes.values(await scrape(afterwards))
    assert scrapes.total(told, "afterwards_runs_total", function=odd[0], queue=odd[1], ending="done") == 4


async def test_what_happened_to_workers_is_told(afterwards: Afterwards):
    counts = {"lost_leases": 2, "rescued_tasks:failed": 3, "store_outages:claim": 4, "lag:0.25": 5, "lag:sum": 900_000}
    store = afterwards.house.store
    async with afterwards.opened():
        for worker, lag in {"gone": 9_000_000, "here": 1_500_000, "there": 250_000}.items():
            await store.sign_on(a_card(worker))
            await store.renew(WorkerId(worker), lease=LEASE, tally=Tally(counts=counts, vitals={"lag": lag}))
        await store.sign_off(WorkerId("gone"))
        told = scrapes.values(await scrape(afterwards))
    assert scrapes.total(told, "afterwards_lost_leases_total") == 6
    assert scrapes.total(told, "afterwards_rescued_tasks_total", state="failed") == 9
    assert scrapes.total(told, "afterwards_rescued_tasks_total", state="waiting") == 0
    assert scrapes.total(told, "afterwards_store_outages_total", doing="claim") == 12
    assert scrapes.total(told, "afterwards_event_loop_lag_seconds_bucket", le="0.25") == 15
    assert scrapes.total(told, "afterwards_event_loop_lag_seconds_sum") == 2.7
    assert scrapes.total(told, "afterwards_longest_event_loop_lag_seconds") == 1.5, "who has gone is not late"


async def test_tallies_that_cannot_be_had_are_a_store_that_is_away(afterwards: Afterwards):
    async def none_to_be_had() -> Mapping[WorkerId, Tally]:
        raise StoreUnavailable("it has just gone")

    registry = CollectorRegistry()
    registry.register(Metrics(afterwards.census, none_to_be_had))
    assert samples((await asyncio.to_thread(generate_latest, registry)).decode()) == {("store_up", ""): 0}


GOOD = """\
# HELP afterwards_run_seconds How long.
# TYPE afterwards_run_seconds histogram
afterwards_run_seconds_bucket{le="1.0"} 1.0
afterwards_run_seconds_bucket{le="+Inf"} 2.0
afterwards_run_seconds_count 2.0
afterwards_run_seconds_sum 3.5
"""


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('le="1.0"} 1.0', 'le="1.0"} 3.0'),
        ('le="+Inf"', 'le="5.0"'),
        ('le="1.0"', 'le="+Inf"'),
        ("_count 2.0", "_count 3.0"),
        ("afterwards_run_seconds_sum 3.5\n", ""),
        (" histogram", " gauge"),
        (" histogram", " counter"),
        ("How long.", " "),
        ('{le="1.0"}', '{le="1.0",le="1.0"}'),
        ("_sum 3.5", "_sum 3.5\nafterwards_run_seconds_sum 3.5"),
        ("_sum 3.5", "_sum -3.5"),
    ],
)
def test_these_tests_would_see_what_is_wrong(good: str, bad: str):
    assert scrapes.read(GOOD)
    with pytest.raises(AssertionError):
        scrapes.read(GOOD.replace(good, bad, 1))
