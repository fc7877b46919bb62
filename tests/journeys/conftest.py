"""A journey for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.journeys.browsers import browser
from tests.journeys.harness import Journey
from tests.journeys.places import STORES

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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
