"""The reference names everything that is public, and the index every page."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import afterwards
from afterwards import events, testing

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = "\n".join((DOCS / "reference" / page).read_text(encoding="utf-8") for page in ("api.md", "errors.md"))
EVENTS = [
    kind
    for kind in vars(events).values()
    if inspect.isclass(kind) and issubclass(kind, events.Event) and kind is not events.Event
]


KINDS = [afterwards.Afterwards, afterwards.Schedule, afterwards.Task, afterwards.Census, testing.Recorded]


@pytest.mark.parametrize("name", afterwards.__all__)
def test_every_public_name_is_in_the_reference(name: str):
    assert re.search(rf"\b{name}\b", REFERENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_attribute_and_method_is_in_the_reference(kind: type):
    names = [*getattr(kind, "__dataclass_fields__", ()), *vars(kind)]
    for_the_house_only = {"claim", "take", "join", "release"}
    public = {name for name in names if not name.startswith("_")} - for_the_house_only
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", REFERENCE)] == []


@pytest.mark.parametrize("argument", inspect.signature(afterwards.Afterwards).parameters)
def test_every_argument_of_an_afterwards_is_in_the_table(argument: str):
    assert re.search(rf"^\| `{argument}` \|", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("event", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_is_in_the_table_with_its_fields(event: type[events.Event]):
    table = (DOCS / "reference" / "events.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{event.__name__}` \|([^|]*)\|", table, re.MULTILINE)
    assert row is not None
    assert re.findall(r"`(\w+)`", row[1]) == list(event.__dataclass_fields__)


@pytest.mark.parametrize("folder", ["", "decisions"])
def test_the_index_names_every_page(folder: str):
    index = (DOCS / folder / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(DOCS / folder).as_posix() for path in (DOCS / folder).rglob("*.md")}
    if not folder:
        pages = {page for page in pages if not page.startswith("decisions/")}
    assert [page for page in sorted(pages - {"README.md"}) if f"({page})" not in index] == []


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("[!R]*.md")), ids=lambda path: path.name)
def test_a_decision_has_its_four_parts(page: Path):
    text = page.read_text(encoding="utf-8")
    parts = ["**Status**", "## Context", "## Decision", "## Price"]
    places = [text.find(part) for part in parts]
    assert -1 not in places, f"of {parts}"
    assert places == sorted(places)
