"""Each test of the FastAPI door runs with the changed import and with adopted apps."""

from collections.abc import Iterator
from pathlib import Path

import fastapi
import pytest

from tests.doors import imported
from tests.doors.diary import diary, gate
from tests.doors.ways import Means, Way


@pytest.fixture(params=list(Means), ids=lambda means: means.replace(" ", "-"))
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    way = Way(request.param, tmp_path / "tasks.db")
    if way.is_adopted:
        monkeypatch.setattr(imported, "BackgroundTasks", fastapi.BackgroundTasks)
    return way


@pytest.fixture(autouse=True)
def _fresh_diary() -> Iterator[None]:
    diary.clear()
    gate.clear()
    yield
    gate.set()
