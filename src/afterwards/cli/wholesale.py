"""Orders by search: counts what matches, asks, and carries it out while a bar shows how far it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import typer

from afterwards.app import Afterwards
from afterwards.cli.bars import bar
from afterwards.cli.looking import exists
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.trouble import Trouble, UsedWrongly
from afterwards.cli.words import so_many_tasks
from afterwards.errors import StoreUnavailable
from afterwards.steering import Order, carry_out, count, order_for
from afterwards.store import Store
from afterwards.tasks import Search, TaskId

_DONE = {
    Order.RETRY: "{} will run again",
    Order.CANCEL: "{} cancelled or asked to stop",
    Order.DELETE: "{} deleted",
}


def steer_all(afterwards: Afterwards, order: Order, search: Search, *, asks: bool, json: bool) -> int:
    """Do it to all that match, and write how many; the exit code. Raises UsedWrongly, Trouble."""
    try:
        search = order_for(order, search)
    except ValueError as wrong:
        raise UsedWrongly(str(wrong)) from wrong
    matched = asyncio.run(_count(afterwards, order, search))
    agreed = not asks or not matched or _agreed(order, matched)
    changed = asyncio.run(_carry_out(afterwards, order, search, matched)) if matched and agreed else 0
    if json:
        print_json({"matched": matched, "changed": changed})
    elif not agreed:
        print_text("Nothing was changed.")
    elif matched:
        print_text(_told(order, matched, changed))
    else:
        print_text("No task matches.")
    return 0 if agreed else 1


async def _count(afterwards: Afterwards, order: Order, search: Search) -> int:
    if not exists(afterwards):
        return 0
    async with _closed_in_the_end(afterwards) as store:
        return await count(store, order, search)


async def _carry_out(afterwards: Afterwards, order: Order, search: Search, matched: int) -> int:
    done = 0
    with bar(order, matched) as advance:

        def tell(looked_at: int, changed: Sequence[TaskId]) -> None:
            nonlocal done
            done += len(changed)
            advance(looked_at)

        async with _closed_in_the_end(afterwards) as store:
            try:
                return await carry_out(store, order, search, tell=tell)
            except StoreUnavailable as error:
                told = _DONE[order].format(so_many_tasks(done))
                raise Trouble(f"{error}. {told} by then; the same command goes on") from error


@asynccontextmanager
async def _closed_in_the_end(afterwards: Afterwards) -> AsyncGenerator[Store]:
    store = afterwards.house.store
    try:
        yield store
    finally:
        await store.close()


def _agreed(order: Order, matched: int) -> bool:
    """Asked beside the answer, which may go into a file. Raises Trouble where nobody is there to be asked."""
    typer.echo(f"{order.value.capitalize()} {so_many_tasks(matched)}? [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if not answer:
        raise Trouble("nobody said yes, and so nothing was changed; with --yes nobody is asked")
    return answer.strip().lower() in ("y", "yes")


def _told(order: Order, matched: int, changed: int) -> str:
    done = _DONE[order].format(so_many_tasks(changed))
    return f"{done}." if changed >= matched else f"{done}; {matched - changed:,} that had matched stay as they are."
