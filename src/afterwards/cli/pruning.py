"""The command `prune`: deletes tasks that ended long ago, as workers do by themselves."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from afterwards.app import Afterwards
from afterwards.cli.bars import bar
from afterwards.cli.looking import exists
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.trouble import Trouble
from afterwards.cli.words import so_many_tasks
from afterwards.errors import StoreUnavailable
from afterwards.phrases import duration

_AT_ONCE = 1_000


def prune_tasks(afterwards: Afterwards, *, older_than: timedelta | None, json: bool) -> None:
    """Delete what ended longer ago than that, by default than the retention, and write how many."""
    age = afterwards.house.settings.options.retention if older_than is None else older_than
    deleted = asyncio.run(_prune(afterwards, age))
    if json:
        print_json({"deleted": deleted, "older_than": age.total_seconds()})
    else:
        print_text(f"{so_many_tasks(deleted)} deleted that ended more than {duration(age)} ago.")


async def _prune(afterwards: Afterwards, older_than: timedelta) -> int:
    """In several writes, so that workers are not kept waiting. Raises Trouble if the store goes away on the way."""
    if not exists(afterwards):
        return 0
    store = afterwards.house.store
    deleted = 0
    with bar("prune") as advance:
        try:
            while batch := await store.prune(older_than=older_than, limit=_AT_ONCE):
                deleted += batch
                advance(batch)
        except StoreUnavailable as error:
            if not deleted:
                raise
            raise Trouble(f"{error}. {so_many_tasks(deleted)} deleted by then; the same command goes on") from error
        finally:
            await store.close()
    return deleted
