"""Looks at tasks for all in one event loop who want to know: one question to the store at a time, however many ask.

Nobody owns a loop that looks. Whoever wants to see next, and finds that no look is under way, looks for all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from afterwards.tasks import TaskId

Seen = TypeVar("Seen")
Ask = Callable[[Collection[TaskId]], Awaitable[Mapping[TaskId, Seen]]]

_SLOWER, _REST, _LONGEST_REST = 1.5, 9, 1.0  # times the pause; times as long as a look took; and seconds


class SharedLook:
    """What many wait for and one does: who comes first, in the event loop that he comes in."""

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self._under_way: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[None]] = WeakKeyDictionary()

    async def __call__(self) -> None:
        """Wait for the next look, or be who looks. Its error is raised to all; cut short, it shows nothing new."""
        loop = asyncio.get_running_loop()
        if (others := self._under_way.get(loop)) is not None:
            await asyncio.wait([others])
            others.result()
            return
        mine = self._under_way[loop] = loop.create_future()
        try:
            await self._look()
        except Exception as error:
            mine.set_exception(error)
            mine.exception()  # nobody else may have waited
            raise
        finally:
            del self._under_way[loop]
            if not mine.done():
                mine.set_result(None)


class Look(Generic[Seen]):
    """What `ask` saw of all that is wanted, in one event loop. `next` waits for the next look, or is who looks.

    Between two looks is a pause, longer each time from `shortest` seconds on; and looking takes a tenth of the time at
    most, while a look takes less than a ninth of a second.
    """

    def __init__(self, ask: Ask[Seen], *, shortest: float, longest: float) -> None:
        self._ask = ask
        self._shortest, self._longest = shortest, longest
        self._pause, self._rested_at = shortest, 0.0
        self._stirred = asyncio.Event()
        self.next = SharedLook(self._look)
        self._seen: Collection[TaskId] = ()
        self.wanted: Counter[TaskId] = Counter()
        self.picture: Mapping[TaskId, Seen] = {}

    @contextlib.contextmanager
    def at(self, ids: Collection[TaskId]) -> Generator[None]:
        """These are wanted inside the block."""
        self.wanted.update(ids)
        try:
            yield
        finally:
            self.wanted.subtract(ids)
            self.wanted += Counter()  # which drops what nobody wants any more

    def has_seen(self, ids: Collection[TaskId]) -> bool:
        """Whether `picture` is of these too. It is not, if they came since, or the look was cut short."""
        return all(id in self._seen for id in ids)

    def hurry(self) -> None:
        """Somebody has come who wants to know now."""
        self._pause = self._shortest
        self._stirred.set()

    def stir(self, ids: Iterable[TaskId]) -> None:
        """Something has happened to these: the next look need not wait."""
        if not self.wanted.keys().isdisjoint(ids):
            self._stirred.set()

    async def _look(self) -> None:
        await self._rest()
        loop = asyncio.get_running_loop()
        asked, began = frozenset(self.wanted), loop.time()
        self._seen = ()
        self._stirred.clear()
        try:
            self.picture = await self._ask(asked)
        finally:
            self._rested_at = loop.time() + min(_REST * (loop.time() - began), _LONGEST_REST)
        self._seen = asked

    async def _rest(self) -> None:
        await asyncio.sleep(self._rested_at - asyncio.get_running_loop().time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._stirred.wait()
        self._pause = min(self._pause * _SLOWER, self._longest)
