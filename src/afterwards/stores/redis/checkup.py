"""Examines a server and the store in it. Reads only: it makes no key and changes no schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from redis.exceptions import RedisError, ResponseError

from afterwards.checkup import Checkup, Finding, note, well, wrong
from afterwards.errors import StoreUnusable
from afterwards.migrations import pending
from afterwards.stores.redis.address import Address, Layout, address_of
from afterwards.stores.redis.errands import Argument
from afterwards.stores.redis.migrations import applied, migrations
from afterwards.stores.redis.route import Route
from afterwards.stores.redis.scripts import Script, keys
from afterwards.stores.redis.server import FAILOVER_LOSES, LOSES_ALL, Server, look, refuse_unfit, window_of
from afterwards.stores.redis.trouble import told
from afterwards.stores.redis.wire import Wire

_TIMEOUT = 5.0
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the store's keys tell."""

    exists: bool
    findings: list[Finding] = field(default_factory=list[Finding])
    unreadable: str = ""
    behind: bool = False


def examine(url: str) -> Checkup:
    """The checkup of the store that `url` names, whether it exists yet or not."""
    address = address_of(url)
    try:
        wire = Route(address, timeout=_TIMEOUT).connect()
    except (RedisError, OSError) as error:
        return _unreadable(address, str(told(error, "looking at the store", address.description)))
    try:
        return _looked_at(wire, address)
    except (RedisError, OSError) as error:
        return _unreadable(address, str(told(error, "looking at the store", address.description)))
    finally:
        wire.close()


def about(server: Server | None, address: Address) -> list[Finding]:
    """What is to be said about the server."""
    if server is None:
        return [
            note("server", "this user may not ask it how it is set up (INFO): nothing is known of what it may lose")
        ]
    return [
        _about_version(server, address),
        *_about_memory(server),
        _about_log(server, address),
        *_about_failover(address),
    ]


def _looked_at(wire: Wire, address: Address) -> Checkup:
    findings = about(look(wire.ask), address)
    inside = _look_inside(wire, address)
    return Checkup(
        place=address.description,
        exists=inside.exists,
        findings=(*findings, *inside.findings),
        unreadable=inside.unreadable,
        behind=inside.behind,
    )


def _about_version(server: Server, address: Address) -> Finding:
    try:
        refuse_unfit(server, address)
    except StoreUnusable as error:
        return wrong("server", str(error))
    return well("server", f"{server.name} {server.shown_version}")


def _about_memory(server: Server) -> list[Finding]:
    policy = server.policy
    if server.evicts:
        says = f"when it is full the server deletes keys, and with them tasks (maxmemory-policy {policy})"
        return [wrong("memory", f"{says}: set it to noeviction")]
    used = f"{server.used_memory / _MEBIBYTE:.0f} MiB used"
    if not server.maxmemory:
        return [well("memory", f"{used}, with no limit of the server's own; nothing is evicted")]
    if server.used_memory > 0.9 * server.maxmemory:
        return [wrong("memory", f"{used} of {server.maxmemory / _MEBIBYTE:.0f} MiB: soon no task can be stored")]
    return [well("memory", f"{used} of {server.maxmemory / _MEBIBYTE:.0f} MiB; nothing is evicted")]


def _about_log(server: Server, address: Address) -> Finding:
    window = window_of(server, address)
    if window is None:
        return well("durability", "what is acknowledged is on the server's disk")
    return wrong("durability", window) if window == LOSES_ALL else note("durability", window)


def _about_failover(address: Address) -> list[Finding]:
    if address.layout is Layout.STANDALONE or address.replicas:
        return []
    return [note("failover", FAILOVER_LOSES)]


def _look_inside(wire: Wire, address: Address) -> Inside:
    def call(called: Script, arguments: Sequence[str]) -> object:
        names = keys(address.tag)
        header: list[Argument] = ["", "", 0, "", 0, address.most_ended, address.most_bytes]
        [reply] = wire.ask([["EVAL", called.text, len(names), *names, *header, *arguments]])
        if isinstance(reply, ResponseError):
            raise reply
        return cast("list[object]", reply)[1]

    identity, steps = applied(call)
    if not identity:
        return Inside(
            exists=False, findings=[note("schema", "no store has these keys yet; the app makes one when it starts")]
        )
    try:
        missing = len(pending(migrations(), steps, address.description))
    except StoreUnusable as error:
        return Inside(exists=False, findings=[wrong("schema", str(error))], unreadable=str(error))
    newest = migrations()[-1].version
    if missing:
        says = f"{missing} steps behind version {newest}; the app takes them when it starts"
        return Inside(exists=True, findings=[note("schema", says)], behind=True)
    return Inside(exists=True, findings=[well("schema", f"version {max(steps)}")])


def _unreadable(address: Address, says: str) -> Checkup:
    return Checkup(place=address.description, exists=False, findings=(wrong("server", says),), unreadable=says)
