"""The command `migrate`: brings a store's schema up to date, or prints what that would take."""

from __future__ import annotations

import asyncio

from afterwards.app import Afterwards
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.trouble import UsedWrongly
from afterwards.harmless import harmless
from afterwards.migrations import Schema
from afterwards.store import Store
from afterwards.stores import is_lasting, store_for


def migrate_store(afterwards: Afterwards, *, json: bool) -> None:
    """Take the steps that are missing, also where the app may not, and write from which version to which."""
    store = _store(afterwards)
    before, after = asyncio.run(_migrate(store))
    if json:
        versions = {"from": None if before is None else before.version, "to": None if after is None else after.version}
        print_json({"store": store.description, **versions})
    else:
        print_text(harmless(f"{store.description}: {_in_words(before, after)}."))


def print_migration(afterwards: Afterwards, *, since: int | None, json: bool) -> None:
    """Write the statements; without `since`, those that this store lacks. Raises UsedWrongly, AfterwardsError."""
    if json:
        raise UsedWrongly("--sql prints SQL, not JSON")
    store = _store(afterwards)
    if since is None:
        schema = asyncio.run(_schema(store))
        since = 0 if schema is None else schema.version
    print_text(store.schema_sql(since=since).rstrip() or "-- Nothing to do.")


async def _migrate(store: Store) -> tuple[Schema | None, Schema | None]:
    try:
        before = await store.schema()
        await store.open()
        return before, await store.schema()
    finally:
        await store.close()


async def _schema(store: Store) -> Schema | None:
    try:
        return await store.schema()
    finally:
        await store.close()


def _store(afterwards: Afterwards) -> Store:
    url = afterwards.house.settings.url
    if not is_lasting(url):
        raise UsedWrongly("this store is private to each process, and made with it: there is nothing to migrate")
    return store_for(url, migrate=True)


def _in_words(before: Schema | None, after: Schema | None) -> str:
    if before is None or after is None:
        return "it has no schema, so there is nothing to do"
    if before.version == after.version:
        return f"the schema is of version {after.version} already"
    return f"the schema was brought from version {before.version} to {after.version}"
