"""Finds the server that may be written to: the one of the URL, the master that sentinels name, or the cluster's owner.

All keys of a store lie in one slot, so that even of a cluster there is one server to talk to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from redis.crc import key_slot
from redis.exceptions import ConnectionError, RedisError, ResponseError

from afterwards.stores.redis.address import Address, Layout, Login, Node
from afterwards.stores.redis.wire import Wire

SlotRange = tuple[int, int, *tuple[list[object], ...]]  # its first and last slot, its owner, replicas


class Route:
    """Leads one connection at a time; remembers what it was told on the way."""

    def __init__(self, address: Address, *, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._nodes = list(address.nodes)
        self._owner: Node | None = None
        self._slot = key_slot(address.tag.encode())

    def connect(self) -> Wire:
        """A connection to the server that may be written to now. Raises RedisError."""
        match self._address.layout:
            case Layout.STANDALONE:
                return self._opened(self._address.nodes[0])
            case Layout.SENTINEL:
                return self._by_any(self._master_by)
            case Layout.CLUSTER:
                return self._of_cluster()

    def moved(self, node: Node) -> None:
        """A server of the cluster said who owns the slot now."""
        self._owner = node

    def _of_cluster(self) -> Wire:
        owner, self._owner = self._owner, None
        return self._by_any(self._owner_by) if owner is None else self._opened(owner)

    def _by_any(self, asked: Callable[[Node], Wire]) -> Wire:
        """By the first of the nodes that can tell; the next time another is asked first, since it may be behind."""
        errors: list[str] = []
        last: Exception | None = None
        for node in list(self._nodes):
            self._nodes.append(self._nodes.pop(0))
            try:
                return asked(node)
            except (RedisError, OSError) as error:
                errors.append(f"{node}: {error}")
                last = error
        raise ConnectionError("; ".join(errors)) from last

    def _master_by(self, sentinel: Node) -> Wire:
        reply = self._once(
            sentinel, self._address.sentinel_login, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.master
        )
        if not reply:
            raise ConnectionError(f"the sentinel watches no master called {self._address.master}")
        host, port = cast("tuple[bytes, bytes]", reply)
        wire = self._opened(Node(host.decode(), int(port)))
        role = wire.ask([["ROLE"]])[0]
        if isinstance(role, ResponseError) or cast("list[bytes]", role)[0] != b"master":
            wire.close()
            raise ConnectionError(f"{wire.node} is no master (yet), although the sentinel says so")
        return wire

    def _owner_by(self, node: Node) -> Wire:
        ranges = cast("list[SlotRange]", self._once(node, self._address.login, "CLUSTER", "SLOTS"))
        for first, last, *servers in ranges:
            known = [_node_of(one, node) for one in servers]
            self._nodes.extend(one for one in known if one not in self._nodes)
            if first <= self._slot <= last:
                return self._opened(known[0])
        raise ConnectionError(f"nobody owns slot {self._slot} of the cluster, in which this store's keys lie")

    def _once(self, node: Node, login: Login, *command: str) -> object:
        wire = Wire(node, login, timeout=self._timeout, tls=self._address.tls)
        try:
            wire.open()
            [reply] = wire.ask([command])
        finally:
            wire.close()
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def _opened(self, node: Node) -> Wire:
        address = self._address
        wire = Wire(node, address.login, timeout=self._timeout, tls=address.tls, database=address.database)
        wire.open()
        return wire


def _node_of(told: Sequence[object], asked: Node) -> Node:
    """A server that does not know its own host leaves it empty: it is the one that was asked."""
    host, port = cast("tuple[bytes | None, int]", (told[0], told[1]))
    return Node(host.decode() if host else asked.host, port)
