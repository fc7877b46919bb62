"""The stores on which journeys go: one or two of them in the suite, the others where there is time for a soak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests import databases

# From what a test can ask for to a function that makes the URL of a store new and empty.
STORES: dict[str, Callable[[pytest.FixtureRequest], Callable[[Path], str]]] = {
    "sqlite": lambda _: lambda folder: f"sqlite:///{folder}/journey.db",
    "postgres": lambda request: lambda _: databases.new(request),
    "valkey": lambda request: lambda _: f"{request.getfixturevalue('valkey_url')}?tag={uuid4().hex}",
}


def on(*kinds: str) -> pytest.MarkDecorator:
    """A journey `on_store` goes on these in the suite, and on the others in a soak.

    What each store promises is tried on all of them in tests/contract; a journey shows what becomes of it in processes.
    """
    stores = [pytest.param(kind, marks=() if kind in kinds else pytest.mark.soak) for kind in STORES]
    return pytest.mark.parametrize("on_store", stores, indirect=True)
