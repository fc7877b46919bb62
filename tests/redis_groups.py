"""Servers of the Redis family that stand together: a cluster of Valkeys, and a master whom a sentinel watches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
from redis.crc import key_slot

from tests import servers

SLOTS = 16384
AT_ONCE = ("--repl-diskless-sync-delay", "0")  # a replica that comes is not made to wait for others
NODE_TIMEOUT = "1000"  # milliseconds after which a silent server of a cluster is believed dead


def port_of(server: servers.Server) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def asked(server: servers.Server, *command: str | int) -> object:
    """The reply of one server to one command."""
    with redis.Redis(port=port_of(server), socket_timeout=5, decode_responses=True) as connection:
        return connection.execute_command(*command)


def until(condition: Callable[[], object], what: str, *, timeout: float = 30.0) -> None:
    """Wait until the condition holds, whatever errors there are on the way; fail in words."""
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(redis.RedisError):
            if condition():
                return
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)


@dataclass
class Cluster:
    """Some masters, which share the slots, and one replica of each of the first."""

    masters: list[servers.Server]
    replicas: list[servers.Server]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{port_of(server)}' for server in self.masters)}"

    def owner(self, tag: str) -> servers.Server:
        """The master that has the keys of this tag."""
        return self.masters[key_slot(tag.encode()) * len(self.masters) // SLOTS]

    def move_slot(self, tag: str, target: servers.Server, *, halfway: Callable[[], object] = lambda: None) -> None:
        """Move the tag's slot to another master, key by key; `halfway` is called when none has been moved yet."""
        slot, source = key_slot(tag.encode()), self.owner(tag)
        asked(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", name_of(source))
        asked(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", name_of(target))
        halfway()
        while keys := asked(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            names = [str(key) for key in keys]  # type: ignore[attr-defined]  # a list of keys
            asked(source, "MIGRATE", "127.0.0.1", port_of(target), "", 0, 5000, "KEYS", *names)
        for server in (target, *self.masters):
            asked(server, "CLUSTER", "SETSLOT", slot, "NODE", name_of(target))


def name_of(server: servers.Server) -> str:
    return str(asked(server, "CLUSTER", "MYID"))


@contextlib.contextmanager
def cluster(*, masters: int = 3, replicas: int = 0) -> Iterator[Cluster]:
    """A cluster that is complete; its servers lose nothing of what they acknowledged."""
    with contextlib.ExitStack() as stack:
        ports = [servers.free_port() for _ in range(masters + replicas)]
        nodes = [stack.enter_context(_node(port)) for port in ports]
        for number, server in enumerate(nodes[:masters]):
            first, last = number * SLOTS // masters, (number + 1) * SLOTS // masters - 1
            asked(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
            asked(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server, bus in zip(nodes[1:], ports[1:], strict=True):
            asked(nodes[0], "CLUSTER", "MEET", "127.0.0.1", port_of(server), bus)
        until(lambda: all(_is_complete(server, len(nodes)) for server in nodes), "the cluster is complete")
        for server, master in zip(nodes[masters:], nodes, strict=False):
            asked(server, "CLUSTER", "REPLICATE", name_of(master))
            until(lambda server=server: _follows(server), "the replica follows")  # type: ignore[misc]  # bound now
        yield Cluster(nodes[:masters], nodes[masters:])


def _node(bus: int) -> contextlib.AbstractContextManager[servers.Server]:
    return servers.valkey(
        *servers.NOTHING_LOST,
        *AT_ONCE,
        *("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", NODE_TIMEOUT),
    )


def _is_complete(server: servers.Server, size: int) -> bool:
    told = str(asked(server, "CLUSTER", "INFO"))
    return "cluster_state:ok" in told and f"cluster_known_nodes:{size}\r" in told


def _follows(server: servers.Server) -> bool:
    role: Sequence[object] = asked(server, "ROLE")  # type: ignore[assignment]  # a list
    return role[0] in ("slave", "replica") and role[3] == "connected"


@dataclass
class Watched:
    """A master, its replica, and the sentinel that watches them."""

    master: servers.Server
    replica: servers.Server
    sentinel: servers.Server

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{port_of(self.sentinel)}/mymaster"


@contextlib.contextmanager
def watched() -> Iterator[Watched]:
    """A sentinel that puts the replica in the master's place when that has been silent for a second."""
    with servers.valkey(*servers.NOTHING_LOST, *AT_ONCE) as master:
        follows = ("--replicaof", f"127.0.0.1 {port_of(master)}")
        with servers.valkey(*servers.NOTHING_LOST, *AT_ONCE, *follows) as replica:
            until(lambda: _follows(replica), "the replica follows")
            with servers.sentinel("mymaster", port_of(master)) as sentinel:
                until(lambda: _knows_replica(sentinel), "the sentinel knows the replica")
                yield Watched(master, replica, sentinel)


def _knows_replica(sentinel: servers.Server) -> bool:
    return bool(asked(sentinel, "SENTINEL", "REPLICAS", "mymaster"))
