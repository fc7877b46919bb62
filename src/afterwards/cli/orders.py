"""The commands `retry`, `cancel` and `delete`: of tasks by their ids, or of all that match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import typer

from afterwards.cli.instance import instance
from afterwards.cli.narrowing import AddedAfter, AddedBefore, OfError, OfFunction, OfKey, OfQueue, OfState, narrowed
from afterwards.cli.narrowing import instant as moment_of
from afterwards.cli.saying import App, Json, Url
from afterwards.cli.steering import steer_these
from afterwards.cli.trouble import UsedWrongly
from afterwards.cli.wholesale import steer_all
from afterwards.steering import Order
from afterwards.tasks import Search

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="ID...", help="The ids of the tasks.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All that match the options below, in place of ids.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --all.")]

MEANINGS = {
    Order.RETRY: "Let tasks that have ended run again, with all their attempts; with --all, the failed ones.",
    Order.CANCEL: "Cancel tasks that wait; ask those that run to stop.",
    Order.DELETE: "Delete tasks that have ended. Never one that has not.",
}


def add_orders(app: typer.Typer) -> None:
    """The commands, in this order."""
    for order, meaning in MEANINGS.items():
        app.command(order.value, help=meaning)(_command(order))


def _command(order: Order) -> Callable[..., None]:
    def command(
        ids: Ids = None,
        every: All = False,
        state: OfState = None,
        queue: OfQueue = None,
        function: OfFunction = None,
        error: OfError = None,
        key: OfKey = None,
        added_after: AddedAfter = None,
        added_before: AddedBefore = None,
        yes: Yes = False,
        app: App = None,
        url: Url = None,
        json: Json = False,
    ) -> None:
        chosen = instance(app, url)
        search = narrowed(
            chosen, state=state, queue=queue, function=function, error=error, key=key,
            added_after=moment_of(added_after), added_before=moment_of(added_before),
        )  # fmt: skip
        _check(ids or [], search, every=every)
        if every:
            raise typer.Exit(steer_all(chosen, order, search, asks=not yes, json=json))
        raise typer.Exit(steer_these(chosen, order, ids or [], json=json))

    return command


def _check(ids: list[UUID], search: Search, *, every: bool) -> None:
    if every and ids:
        raise UsedWrongly("ids and --all both say which tasks: give one of them")
    if ids and search != Search():
        raise UsedWrongly("ids say by themselves which tasks: leave the other options out, or the ids")
    if not ids and not every:
        raise UsedWrongly("which tasks? Give their ids, or --all with what they have in common")
