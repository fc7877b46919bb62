"""Examines a store's database and its server. Reads only: it makes no tables."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import cast

from afterwards.checkup import Checkup, Finding, note, well, wrong
from afterwards.errors import AfterwardsError
from afterwards.stores.postgres.address import Address, address_of
from afterwards.stores.postgres.driver import Connection
from afterwards.stores.postgres.link import connect_to
from afterwards.stores.postgres.migrations import schema_of
from afterwards.stores.postgres.statements import sql_of
from afterwards.stores.postgres.trouble import told

_PATIENCE = 5.0
_OLDEST = 130000
_CONNECTIONS_EACH = 4  # of one process


def examine(url: str) -> Checkup:
    """The checkup of the store in the database of this URL. Raises UnsupportedURL."""
    address = address_of(url)
    checkups: list[Checkup] = []
    thread = threading.Thread(target=lambda: checkups.append(asyncio.run(_examine(address))))
    thread.start()  # a loop may be running in this one
    thread.join()
    return checkups[0]


async def _examine(address: Address) -> Checkup:
    try:
        connection = await connect_to(address, timeout=_PATIENCE)
    except Exception as error:  # of the network, the server or the driver
        says = str(told(error, "connecting", address.description))
        return Checkup(place=address.description, exists=False, findings=(wrong("connection", says),), unreadable=says)
    try:
        return await _look(connection, address)
    finally:
        connection.terminate()


async def _look(connection: Connection, address: Address) -> Checkup:
    [row] = await connection.fetch(sql_of("settings"))
    server: dict[str, str] = dict(zip(_SETTINGS, cast("list[str]", list(row)), strict=True))
    findings = [
        about_version(int(server["version"]), server["name"]),
        about_durability(server),
        about_primary(is_standby=server["is_standby"] == "true"),
        about_connections(int(server["max_connections"])),
        about_notices(pooled=address.pooled),
    ]
    try:
        schema = await schema_of(connection, address.description)
    except AfterwardsError as error:
        findings.append(wrong("schema", str(error)))
        return Checkup(place=address.description, exists=False, findings=tuple(findings), unreadable=str(error))
    findings.append(about_schema(schema.version, schema.newest))
    if schema.is_behind:
        findings.append(about_rights(server["home"], may_create=server["may_create"] == "true"))
    return Checkup(
        place=address.description,
        exists=schema.version > 0,
        findings=tuple(findings),
        behind=schema.version > 0 and schema.is_behind,
    )


_SETTINGS = (
    "version", "name", "fsync", "full_page_writes", "synchronous_commit", "max_connections", "is_standby", "home",
    "may_create",
)  # fmt: skip


def about_version(number: int, name: str) -> Finding:
    """Whether it is new enough."""
    if number < _OLDEST:
        return wrong("server", f"PostgreSQL {name} is too old: 13 or newer is needed")
    return well("server", f"PostgreSQL {name}")


def about_durability(server: Mapping[str, str]) -> Finding:
    """What may be lost of what was answered with success."""
    if server["fsync"] == "off" or server["full_page_writes"] == "off":
        return wrong(
            "durability", "fsync or full_page_writes is off: a power failure may destroy everything: turn it on"
        )
    if server["synchronous_commit"] == "off":
        says = "synchronous_commit is off: when the server dies, tasks stored within about its last 0.6 s may be lost"
        return note("durability", f"{says}; ALTER ROLE … SET synchronous_commit = on")
    return well("durability", f"synchronous_commit is {server['synchronous_commit']}: what was stored is on its disk")


def about_primary(*, is_standby: bool) -> Finding:
    """Whether it takes writes."""
    if is_standby:
        return wrong("role", "this server is a standby and takes no writes: name the primary in the URL")
    return well("role", "primary")


def about_connections(most: int) -> Finding:
    """How many processes it has room for."""
    return well("connections", f"at most {most}; each process of the app or of workers takes {_CONNECTIONS_EACH}")


def about_notices(*, pooled: bool) -> Finding:
    """How soon other processes hear of a new task."""
    if pooled:
        return note("notices", "none, since pooled=true: other processes look for new tasks once a second")
    return well("notices", "other processes hear of a new task at once")


def about_rights(home: str, *, may_create: bool) -> Finding:
    """Whether this user could make the tables, in the first schema of the search path that there is."""
    if not home:
        return wrong("rights", "no schema of the search path exists: create it, or correct search_path")
    if not may_create:
        says = f"this user may not make tables in the schema {home}: let its owner run `afterwards migrate`"
        return wrong("rights", f"{says}, or GRANT CREATE ON SCHEMA {home}")
    return well("rights", f"this user may make tables, in the schema {home}")


def about_schema(version: int, newest: int) -> Finding:
    """Whether the tables are those of this version."""
    who = "`afterwards migrate` makes them, or an app that may, when it starts"
    if version == 0:
        return note("schema", f"there are no tables yet; {who}")
    if version < newest:
        return note("schema", f"{newest - version} steps behind version {newest}; {who.replace('makes', 'takes')}")
    return well("schema", f"version {version}")
