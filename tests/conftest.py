"""What every test has: asyncio as the only event loop, and the servers, each started when first asked for."""

import os
from collections.abc import Iterator

import pytest

from tests import older_redis, servers


@pytest.hookimpl(optionalhook=True)  # of xdist, which is not everywhere
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, since many tests wait for most of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A database of a PostgreSQL server whose user may create databases: one of yours, or one that is started."""
    if yours := os.environ.get("AFTERWARDS_TEST_POSTGRES"):
        yield yours
    else:
        with servers.postgres() as server:
            yield server.url


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A database of a Redis or Valkey server that loses nothing: one of yours, or one that is started."""
    if yours := os.environ.get("AFTERWARDS_TEST_REDIS"):
        yield yours
    else:
        with servers.valkey(*servers.NOTHING_LOST) as server:
            yield server.url


@pytest.fixture(scope="session")
def older_redis_url() -> Iterator[str]:
    """A database of a Redis 7 that loses nothing."""
    with servers.redis_like(older_redis.program(), *servers.NOTHING_LOST) as server:
        yield server.url
