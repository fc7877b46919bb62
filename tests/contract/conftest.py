"""Every store that there is, one after the other, each new and empty. A new one is added to `STORES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from afterwards.stores import store_for
from afterwards.tasks import WorkerId
from tests.contract.builders import TimedStore, sign_on

STORES: dict[str, Callable[[Path], str]] = {
    "sqlite-file": lambda folder: f"sqlite:///{folder}/tasks.db",
    "sqlite-private": lambda _: "sqlite://",
}


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return STORES[request.param](tmp_path)


@pytest.fixture
async def store(url: str) -> AsyncIterator[TimedStore]:
    store = cast(TimedStore, store_for(url))
    await store.open()
    yield store
    await store.close()


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
