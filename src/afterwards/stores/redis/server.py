"""What a server tells of itself, and what follows for a store in it. Pure but for `look`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from redis.exceptions import ResponseError

from afterwards.errors import StoreUnusable
from afterwards.stores.redis.address import Address, Layout
from afterwards.stores.redis.wire import Command

OLDEST, FIRST_WITH_WAITAOF = (6, 2), (7, 2)

LOSES_ALL = (
    "the server keeps no log of its writes (appendonly no): what is acknowledged is lost when it restarts; set "
    "appendonly yes"
)
LOSES_A_SECOND = (
    "the server writes its log to disk once a second (appendfsync everysec): up to 1 s of what was acknowledged is "
    "lost with its machine; ?durability=fsync in the URL, or appendfsync always, closes that window"
)
LOSES_MUCH = (
    "the server leaves it to the system when its log comes to disk (appendfsync no): up to half a minute of what was "
    "acknowledged is lost with its machine; set appendfsync always, which closes that window"
)
FAILOVER_LOSES = (
    "a failover loses what the new master had not received yet; ?replicas=1 in the URL acknowledges only what one "
    "replica has"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What it says; None for what this user may not ask."""

    name: str
    version: tuple[int, ...]
    shown_version: str
    role: str
    maxmemory: int
    policy: str
    used_memory: int
    has_log: bool
    sync: str | None

    @property
    def evicts(self) -> bool:
        """It deletes keys when its memory is full."""
        return self.policy != "noeviction"


def look(ask: Callable[[Sequence[Command]], list[object]]) -> Server | None:
    """What it says; None when this user may not ask."""
    info, setting = ask([["INFO"], ["CONFIG", "GET", "appendfsync"]])
    if isinstance(info, ResponseError):
        return None
    known = None if isinstance(setting, ResponseError) else setting
    return server_of(cast("bytes", info).decode(errors="replace"), known)


def server_of(info: str, setting: object) -> Server:
    """From the answers to INFO and CONFIG GET."""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    sync = cast("list[bytes]", setting or [])
    shown = fields.get("valkey_version") or fields.get("redis_version", "0")
    return Server(
        name="Valkey" if "valkey_version" in fields else "Redis",
        version=tuple(int(part) for part in fields.get("redis_version", "0").split(".")[:3] if part.isdigit()),
        shown_version=shown,
        role=fields.get("role", ""),
        maxmemory=int(fields.get("maxmemory", "0")),
        policy=fields.get("maxmemory_policy", "noeviction"),
        used_memory=int(fields.get("used_memory", "0")),
        has_log=fields.get("aof_enabled") == "1",
        sync=sync[1].decode() if len(sync) == 2 else None,
    )


def refuse_unfit(server: Server, address: Address) -> None:
    """Raises StoreUnusable for a server that cannot hold what the URL promises."""
    named = f"{server.name} {server.shown_version} at {address.description}"
    if server.version < OLDEST:
        raise StoreUnusable(f"{named} is too old: 6.2 is needed at least")
    if address.fsync and server.version < FIRST_WITH_WAITAOF:
        raise StoreUnusable(
            f"{named} cannot say when a write is on its disk, as durability=fsync asks: that needs Redis 7.2 or "
            "Valkey; set appendfsync always there, and leave the option out of the URL"
        )
    if address.fsync and server.has_log and server.sync == "no":
        raise StoreUnusable(
            f"{named} leaves it to its system when its log comes to disk (appendfsync no), so it cannot confirm it, as "
            "durability=fsync asks: set appendfsync everysec there, or better always"
        )
    if address.fsync and not server.has_log:
        raise StoreUnusable(f"{named} keeps no log of its writes, as durability=fsync asks: set appendonly yes there")


def warnings_of(server: Server | None, address: Address) -> list[str]:
    """What is unsafe about it, a sentence each."""
    if server is None:
        return ["this user may not ask the server how it is set up (INFO): nothing is known about what it may lose"]
    return [*_about_eviction(server), *_about_window(server, address), *_about_failover(address)]


def window_of(server: Server, address: Address) -> str | None:
    """What may be lost of what was acknowledged; None for nothing, as far as this server alone is concerned."""
    if address.fsync:
        return None
    if not server.has_log:
        return LOSES_ALL
    return {"always": None, "no": LOSES_MUCH}.get(server.sync or "", LOSES_A_SECOND)


def _about_eviction(server: Server) -> list[str]:
    evicts = f"the server deletes keys when its memory is full (maxmemory-policy {server.policy}), and with them tasks"
    return [f"{evicts}: set it to noeviction"] if server.evicts else []


def _about_window(server: Server, address: Address) -> list[str]:
    window = window_of(server, address)
    return [] if window is None else [window]


def _about_failover(address: Address) -> list[str]:
    return [FAILOVER_LOSES] if address.layout is not Layout.STANDALONE and not address.replicas else []
