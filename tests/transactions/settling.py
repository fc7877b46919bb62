"""Tasks that are settled in a transaction of their own, of whichever kind the test has set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from afterwards import current_task
from tests.transactions.kinds import Dealing, Opening


@dataclass
class Ways:
    """How the tasks of a test go about it; `then` is what they do after `done_in`."""

    url: str
    opening: Opening
    then: list[Callable[[Dealing], Awaitable[None]]]
    before: Callable[[], Awaitable[None]] | None = None
    ran: int = 0

    def next(self) -> Callable[[Dealing], Awaitable[None]]:
        self.ran += 1
        return self.then.pop(0) if len(self.then) > 1 else self.then[0]


ways: list[Ways] = []
following: list[asyncio.Event] = []


async def register(name: str) -> None:
    [way] = ways
    then = way.next()
    async with way.opening(way.url) as dealing:
        await dealing.write(name)
        if way.before is not None:
            await dealing.commit()
            await way.before()
            await dealing.begin_again()
            await dealing.write(f"{name} too late")
        await current_task().done_in(dealing.transaction)
        await then(dealing)


def register_in_thread(name: str) -> None:
    [way] = ways
    then = way.next()

    async def work() -> None:
        async with way.opening(way.url) as dealing:
            await dealing.write(name)
            current_task().done_in_sync(dealing.transaction)
            await then(dealing)

    asyncio.run(work())


def follow() -> None:
    [event] = following
    event.set()


async def commit(dealing: Dealing) -> None:
    await dealing.commit()


async def commit_and_raise(dealing: Dealing) -> None:
    await dealing.commit()
    raise ValueError("after the commit")


async def commit_and_wait_for_the_follower(dealing: Dealing) -> None:
    await dealing.commit()
    [event] = following
    await asyncio.wait_for(event.wait(), 10)


async def roll_back(dealing: Dealing) -> None:
    await dealing.rollback()


async def roll_back_and_raise(dealing: Dealing) -> None:
    await dealing.rollback()
    raise ValueError("after the rollback")


async def forget_to_commit(dealing: Dealing) -> None: ...
