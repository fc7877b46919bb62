"""A journey for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.harness import Journey


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """Everything that was started in it is killed at its end."""
    journey = Journey(tmp_path)
    yield journey
    journey.end()
