"""The command `move`: carries waiting tasks from one store into another, and tells how far it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import typer

from afterwards.app import Afterwards
from afterwards.cli import bars
from afterwards.cli.looking import exists, where
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.trouble import Trouble, UsedWrongly
from afterwards.errors import AfterwardsError
from afterwards.harmless import harmless
from afterwards.moving import Cargo, Moved, look, move
from afterwards.store import Store
from afterwards.stores import is_lasting, store_for


def move_tasks(afterwards: Afterwards, to: str, *, dry_run: bool, json: bool) -> None:
    """Carry the waiting tasks of this store into the one at `to`. Raises UsedWrongly, Trouble, AfterwardsError."""
    if not is_lasting(to):
        raise UsedWrongly("--to names a store that is private to this process and gone with it: name one that lasts")
    if not exists(afterwards):
        raise Trouble(f"there is no store in {where(afterwards)}, and so nothing to move")
    source, destination = afterwards.house.store, store_for(to, migrate=afterwards.house.settings.migrate)
    stores = {"from": source.description, "to": destination.description}
    if dry_run:
        cargo = asyncio.run(_look(source))
        answer, words = {"would_move": cargo.tasks}, f"{cargo.tasks} tasks would be moved"
    else:
        cargo, moved = asyncio.run(_move(source, destination))
        answer, words = _as_json(moved), _in_words(moved)
    if json:
        print_json({**answer, **stores, "paused": list(cargo.paused), "stayed": cargo.ended})
    else:
        print_text(harmless(f"{words} from {stores['from']} to {stores['to']}.{_besides(cargo)}"))


async def _look(source: Store) -> Cargo:
    async with _opened(source):
        return await look(source)


async def _move(source: Store, destination: Store) -> tuple[Cargo, Moved]:
    progress = _Progress()
    try:
        async with _opened(source), _opened(destination):
            _warn(destination)
            return await move(source, destination, tell=progress.tell)
    except AfterwardsError as error:
        if not progress.carried:
            raise
        raise Trouble(
            f"{error}. {progress.carried} tasks have been moved by now; move again, and it goes on"
        ) from error
    finally:
        progress.end()


def _warn(destination: Store) -> None:
    """What is deleted here should be safe there."""
    for warning in destination.warnings():
        typer.echo(harmless(f"afterwards: {destination.description}: {warning}"), err=True)


@asynccontextmanager
async def _opened(store: Store) -> AsyncGenerator[None]:
    try:
        await store.open()
        yield
    finally:
        await store.close()


class _Progress:
    """One line that changes, on a terminal only, and beside the answer."""

    def __init__(self) -> None:
        self.carried = 0

    def tell(self, carried: int, of: int) -> None:
        self.carried = carried
        self._write(f"\r{carried:,} of {max(of, carried):,} tasks")

    def end(self) -> None:
        if self.carried:
            self._write("\n")

    def _write(self, text: str) -> None:
        if bars.is_seen():
            sys.stderr.write(text)
            sys.stderr.flush()


def _as_json(moved: Moved) -> dict[str, int]:
    return {"moved": moved.tasks, "brought_before": moved.brought_before}


def _in_words(moved: Moved) -> str:
    before = (
        f", {moved.brought_before} of which a move before had brought over already," if moved.brought_before else ""
    )
    return f"{moved.tasks} tasks were moved{before}"


def _besides(cargo: Cargo) -> str:
    """What else there is to say about the source."""
    paused = f" Paused there as here: {', '.join(cargo.paused)}." if cargo.paused else ""
    ended = f" {cargo.ended} that have ended stay where they are." if cargo.ended else ""
    return paused + ended
