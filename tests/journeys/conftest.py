"""A journey for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests import databases
from tests.journeys.browsers import browser
from tests.journeys.harness import Journey

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# From what a test can ask for to a function that makes the URL of a store new and empty.
STORES: dict[str, Callable[[pytest.FixtureRequest], Callable[[Path], str]]] = {
    "sqlite": lambda _: lambda folder: f"sqlite:///{folder}/journey.db",
    "postgres": lambda request: lambda _: databases.new(request),
    "valkey": lambda request: lambda _: f"{request.getfixturevalue('valkey_url')}?tag={uuid4().hex}",
}


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """Everything that was started in it is killed at its end."""
    journey = Journey(tmp_path)
    yield journey
    journey.end()


@pytest.fixture(params=STORES)
def on_store(request: pytest.FixtureRequest, journey: Journey) -> Journey:
    """A journey on each store."""
    journey.store = STORES[request.param](request)(journey.folder)
    return journey


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for all tests of a file."""
    with browser() as opened:
        yield opened
