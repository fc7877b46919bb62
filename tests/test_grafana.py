"""The dashboard for Grafana and the alerts of the guide: well formed, and about metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from afterwards.exposition import Seen, families
from afterwards.tallies import RunCounts, Tally
from afterwards.tasks import Census, Hold, WorkerId
from tests import scrapes

PROJECT = Path(__file__).parents[1]
DASHBOARD: dict[str, Any] = json.loads((PROJECT / "deploy/grafana/afterwards.json").read_text(encoding="utf-8"))
GUIDE = (PROJECT / "docs/guides/metrics.md").read_text(encoding="utf-8")
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
OF_THE_SCRAPER = {"job", "instance"}
WIDTH = 24


class EverythingOnce:
    """A store in which everything has been counted."""

    def collect(self) -> Iterator[Metric]:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        census = Census(now=now, waiting_by_queue={"mail": 1}, held={Hold.AFTER: 1}, oldest_due={"mail": now})
        runs = {("app:send", "mail"): RunCounts(first=0, counts={"done": 1})}
        counts = {"store_outages:claim": 1, "loop_errors:claim": 1}
        return families(Seen(census=census, tallies={WorkerId("w"): Tally(runs=runs, counts=counts)}))


def told() -> dict[str, scrapes.Family]:
    registry = CollectorRegistry()
    registry.register(EverythingOnce())
    return scrapes.read(generate_latest(registry).decode())


TOLD = told()
LABELS = {name: {label for label, _ in labels} for name, labels in scrapes.values(TOLD)}


def panels() -> list[dict[str, Any]]:
    return list(DASHBOARD["panels"])


def queries() -> list[str]:
    """Those of the panels, and those that the choices at the top are made from."""
    of_panels = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [*of_panels, *(one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")]


def alerts() -> list[str]:
    [block] = re.findall(r"```promql\n(.*?)```", GUIDE, re.DOTALL)
    return [line for line in block.splitlines() if line]


def selectors(query: str) -> list[tuple[str, set[str]]]:
    """Each metric of a query with the labels that it is asked for by."""
    found = re.findall(r"\b(afterwards_\w+)(?:\{([^}]*)\})?", query)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))) for name, labels in found]


@pytest.mark.parametrize("query", [*queries(), *alerts()])
def test_a_query_asks_for_what_is_told(query: str):
    asked = selectors(query)
    assert asked
    for name, labels in asked:
        assert name in LABELS, f"{name} is not told"
        assert labels <= LABELS[name] | OF_THE_SCRAPER, f"{name} has not all of {labels}"
    of_any = set[str]().union(*(LABELS[name] for name, _ in asked)) | OF_THE_SCRAPER
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    assert grouped <= of_any, f"it groups by {grouped - of_any}"
    assert query.count("(") == query.count(")")


@pytest.mark.parametrize("query", queries())
def test_several_processes_that_are_scraped_do_not_add_up(query: str):
    """All of them tell the same: a sum is one over what was the largest of each series."""
    for name, _ in selectors(query) if not query.startswith("label_values") else []:
        around = query[: query.index(name)]
        assert re.search(r"max(?: by \([^)]*\))? \((?:rate\(|increase\()?$|max\((?:increase\()?$", around), around


@pytest.mark.parametrize("query", [*queries(), *alerts()])
def test_only_what_grows_is_asked_for_its_rate(query: str):
    for name in re.findall(r"(?:rate|increase)\((afterwards_\w+)", query):
        assert name.endswith(("_total", "_bucket", "_sum", "_count")), name
    if "histogram_quantile" in query:
        assert all(name.endswith("_bucket") for name, _ in selectors(query))


def test_the_guide_names_every_metric_and_no_other():
    rows = re.findall(r"^\| `(afterwards_\w+)` \|([^|]*)\|", GUIDE, re.MULTILINE)
    labels = {name: set(re.findall(r"`(\w+)`", text)) for name, text in rows}
    assert set(labels) == set(TOLD)
    for name, family in TOLD.items():
        assert labels[name] == {label for _, its, _ in family.samples for label, _ in its} - {"le"}, name


def test_the_guide_says_how_many_series_a_pair_makes():
    pair = [name for name, labels in scrapes.values(TOLD) if ("function", "app:send") in labels]
    assert f"A pair makes {len(pair)} series." in GUIDE


def test_the_dashboard_has_what_an_import_asks_for():
    assert DASHBOARD["title"] == "Afterwards"
    assert re.fullmatch(r"[\w-]{1,40}", DASHBOARD["uid"])
    assert DASHBOARD.get("id") is None, "the id is the importing Grafana's own"
    assert DASHBOARD["schemaVersion"] >= 36, "from then on a datasource is told by type and uid"
    first, *others = DASHBOARD["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert all(one["datasource"] == DATASOURCE for one in others)


def test_every_panel_asks_the_datasource_that_was_chosen():
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["datasource"] == DATASOURCE
        assert panel["title"]
        assert panel["description"].endswith(".") or ":" in panel["description"]
        assert panel["targets"]
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


def test_every_variable_that_a_panel_uses_is_there():
    names = {one["name"] for one in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - names == {"__rate_interval", "__all"}
    assert names - used == set()


def test_panels_have_ids_of_their_own_and_do_not_lie_upon_each_other():
    assert len({panel["id"] for panel in panels()}) == len(panels())
    places = [panel["gridPos"] for panel in panels()]
    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, f"{one} and {other}"


def test_a_legend_names_labels_that_its_query_keeps():
    for panel in panels():
        for target in panel.get("targets", []):
            asked = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = re.search(r"by \(([^)]*)\)", target["expr"])
            assert asked <= ({label.strip() for label in kept[1].split(",")} if kept else set()), target
