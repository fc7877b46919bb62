"""How far a command is: a bar on a terminal, beside the answer. Where nobody sees it, nothing is drawn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def bar(verb: str, total: int | None = None) -> Generator[Callable[[int], None]]:
    """Gives what says that so many more are done; without a total it counts them."""
    if not is_seen():
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    amount = "{task.percentage:>3.0f}%" if total else "{task.completed:,.0f} tasks"
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(amount))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        line = progress.add_task(verb, total=total)
        yield lambda more: progress.advance(line, more)
        if total is None:  # or it would stay as one that still looks for its end
            progress.update(line, total=progress.tasks[line].completed)


def is_seen() -> bool:
    """Whether somebody sits before it."""
    return sys.stderr.isatty()
