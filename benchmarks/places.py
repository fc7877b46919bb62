"""Where the measured stores live: a file, and servers that are started durable, as a careful user would have them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests import older_redis, servers

STORES = ("sqlite", "postgres", "valkey")
LOGGED = ("--appendonly", "yes", "--appendfsync", "everysec")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A new, empty store. `server` is its process, None for a file."""

    url: str
    server: int | None = None


@contextmanager
def store_url(kind: str) -> Iterator[str]:
    """The URL of a new, empty store of this kind; its server and its data go when the block ends."""
    with place(kind) as made:
        yield made.url


@contextmanager
def place(kind: str) -> Iterator[Place]:
    """A new, empty store of this kind; its server and its data go when the block ends."""
    match kind:
        case "sqlite":
            with tempfile.TemporaryDirectory() as folder:
                yield Place(url=f"sqlite:///{folder}/bench.db")
        case "postgres":
            with servers.postgres(fsync="on", full_page_writes="on", synchronous_commit="on") as server:
                yield _of(server)
        case "valkey":
            with servers.valkey(*LOGGED) as server:
                yield _of(server)
        case "redis":  # which allocates by jemalloc, as servers in use do, and the Valkey of the wheel by libc
            with servers.redis_like(older_redis.found(), *LOGGED) as server:
                yield _of(server)
        case _:
            raise ValueError(f"no store is called {kind}: there are {', '.join((*STORES, 'redis'))}")


def _of(server: servers.Server) -> Place:
    assert server.process is not None, "a server that was started has a process"
    return Place(url=server.url, server=server.process.pid)
