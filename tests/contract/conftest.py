"""Every store that there is, one after the other, each new and empty. A new one is added to `STORES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from afterwards.stores import store_for
from afterwards.tasks import WorkerId
from tests import databases
from tests.contract.builders import TimedStore, sign_on

# From what a test can ask for to a function that makes, for a folder of its own, the URL of a store new and empty.
MODEL = "tests/contract/test_model.py"
STORES: dict[str, Callable[[pytest.FixtureRequest], Callable[[Path], str]]] = {
    "sqlite-file": lambda _: lambda folder: f"sqlite:///{folder}/tasks.db",
    "sqlite-private": lambda _: lambda _: "sqlite://",
    "postgres": lambda request: lambda _: databases.new(request),
    "valkey": lambda request: lambda _: f"{request.getfixturevalue('valkey_url')}?tag={uuid4().hex}",
    "redis-7": lambda request: lambda _: f"{request.getfixturevalue('older_redis_url')}?tag={uuid4().hex}",
}

# Each is another place for code that one of the others runs too; `dev.py contract` tries all of it there.
TWINS = ("sqlite-private", "redis-7")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests on twins, but for the one that does everything a store can do."""
    for item in items:
        kind = item.callspec.params.get("new_url") if isinstance(item, pytest.Function) and _has_params(item) else None
        if kind in TWINS and not item.nodeid.startswith(MODEL):
            item.add_marker(pytest.mark.twin)


def _has_params(item: pytest.Function) -> bool:
    return hasattr(item, "callspec")


@pytest.fixture(params=STORES)
def new_url(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Makes the URL of another new store of the same kind."""
    return STORES[request.param](request)


@pytest.fixture
def url(new_url: Callable[[Path], str], tmp_path: Path) -> str:
    return new_url(tmp_path)


@pytest.fixture
async def store(url: str) -> AsyncIterator[TimedStore]:
    store = cast(TimedStore, store_for(url))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other(new_url: Callable[[Path], str], tmp_path: Path) -> AsyncIterator[TimedStore]:
    """Another store of the same kind."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = cast(TimedStore, store_for(new_url(folder)))
    await other.open()
    yield other
    await other.close()


@pytest.fixture
async def worker(store: TimedStore) -> WorkerId:
    """A worker that serves every queue and has signed on."""
    return await sign_on(store)


class Clock:
    """Lets time pass for the store."""

    def __init__(self, store: TimedStore) -> None:
        self._store = store

    def advance(self, duration: timedelta) -> None:
        self._store.clock_offset += duration


@pytest.fixture
def clock(store: TimedStore) -> Clock:
    return Clock(store)
