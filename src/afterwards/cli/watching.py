"""The command `watch`: the counts and the newest tasks, drawn anew every moment. Reads only."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys

from afterwards.app import Afterwards
from afterwards.cli.counting import as_json, count, in_words
from afterwards.cli.looking import exists, where
from afterwards.cli.portrait import as_table
from afterwards.cli.printing import print_text
from afterwards.cli.words import fitted
from afterwards.errors import StoreUnavailable, StoreUnusable
from afterwards.harmless import harmless
from afterwards.store import Store
from afterwards.tasks import Search

_NEWEST = 10
_BELOW = 3  # lines
_FROM_THE_TOP = "\x1b[H\x1b[2J"


def watch_tasks(afterwards: Afterwards, *, every: float, times: int | None, json: bool) -> None:
    """Draw until interrupted, or so many `times`. A store that is away is said, and looked at again."""
    try:
        asyncio.run(_watch(afterwards, every, times, as_lines=json))
    except KeyboardInterrupt:
        return


async def _watch(afterwards: Afterwards, every: float, times: int | None, *, as_lines: bool) -> None:
    store = afterwards.house.store
    drawn = 0
    try:
        while True:
            _draw(await _picture(afterwards, store, as_lines=as_lines), as_lines=as_lines)
            drawn += 1
            if drawn == times:
                return
            await asyncio.sleep(every)
    finally:
        await store.close()


async def _picture(afterwards: Afterwards, store: Store, *, as_lines: bool) -> str:
    try:
        if not exists(afterwards):
            return "null" if as_lines else f"No tasks yet: there is no store in {where(afterwards)}."
        counts = await count(store)
        if as_lines:
            return json.dumps(as_json(counts))
        tasks = await store.find(Search(), limit=_NEWEST)
    except StoreUnusable:
        raise
    except StoreUnavailable as error:
        return "null" if as_lines else f"The store is away: {harmless(str(error))}"
    return "\n\n".join([in_words(counts), as_table(tasks, counts.census.now)] if tasks else [in_words(counts)])


def _draw(picture: str, *, as_lines: bool) -> None:
    """On a terminal in the place of the one before, else below it."""
    if as_lines:
        print_text(picture)
    elif sys.stdout.isatty():
        size = shutil.get_terminal_size()
        shown = fitted(picture, size.columns, size.lines - _BELOW)
        print_text(f"{_FROM_THE_TOP}{shown}\n\nCtrl-C ends it.")
    else:
        print_text(f"{picture}\n")
    sys.stdout.flush()
