"""Goes through items and tells how far it is, as a progress bar does: in a task to the store, elsewhere to nobody."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sized
from typing import TypeVar, overload

from afterwards.current import CurrentTask, running_task

Item = TypeVar("Item")

_EVERY = 0.1  # seconds


@overload
def track(items: Iterable[Item], *, of: float | None = None, say: str = "") -> Generator[Item]: ...
@overload
def track(items: AsyncIterable[Item], *, of: float | None = None, say: str = "") -> AsyncGenerator[Item]: ...
def track(
    items: Iterable[Item] | AsyncIterable[Item], *, of: float | None = None, say: str = ""
) -> Generator[Item] | AsyncGenerator[Item]:
    """Give one item after another, and report after each how many were done: `for user in track(users): ...`.

    `of` is how many there are, `len(items)` if they have one. Outside of a task nobody hears it, so that the function
    can be called as plain code.

    Example:
        `async for row in track(stream, of=1000, say="rows"): await keep(row)`
    """
    count = _Count(running_task(), len(items) if of is None and isinstance(items, Sized) else of, say)
    return _async_tracked(items, count) if isinstance(items, AsyncIterable) else _tracked(items, count)


def _tracked(items: Iterable[Item], count: _Count) -> Generator[Item]:
    try:
        for item in items:
            yield item
            count.one_more()
    finally:
        count.tell()


async def _async_tracked(items: AsyncIterable[Item], count: _Count) -> AsyncGenerator[Item]:
    try:
        async for item in items:
            yield item
            count.one_more()
    finally:
        count.tell()


class _Count:
    """How many were done. Told now and then, since a million items may come in a second."""

    def __init__(self, task: CurrentTask | None, of: float | None, say: str) -> None:
        self._task = task
        self._of = of
        self._say = say
        self._done = 0
        self.tell()

    def one_more(self) -> None:
        self._done += 1
        if time.monotonic() >= self._tell_at:
            self.tell()

    def tell(self) -> None:
        self._tell_at = time.monotonic() + _EVERY
        if self._task is not None:
            self._task.progress(self._done, of=self._of, say=self._say)
