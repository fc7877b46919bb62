"""Fixtures for the tests of an app: `afterwards_inline` and `afterwards_recorded`. pytest finds them by itself.

Both ask for a fixture `afterwards`, which the tests define: it returns their instance.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from afterwards.testing import HasHouse, Recorded, inline, recorded


@pytest.fixture
def afterwards() -> HasHouse:
    """Your instance of Afterwards: define a fixture of this name that returns it."""
    raise pytest.UsageError(
        "define a fixture `afterwards` that returns your instance, for example in conftest.py:\n\n"
        "    @pytest.fixture\n    def afterwards():\n        return main.afterwards\n"
    )


@pytest.fixture
def afterwards_inline(afterwards: HasHouse) -> Generator[None]:
    """Tasks run before the client's call returns, and what they raise is raised. See `afterwards.testing.inline`."""
    with inline(afterwards):
        yield


@pytest.fixture
def afterwards_recorded(afterwards: HasHouse) -> Generator[Recorded]:
    """Nothing runs; the fixture knows what was added. See `afterwards.testing.recorded`."""
    with recorded(afterwards) as tasks:
        yield tasks
