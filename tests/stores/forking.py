"""A process that forks while its store is in use. Run by the tests of forks as a process of its own: the tests' own has
threads that would not survive it.

Prints what it found: the names of the tasks that were stored, and how the child ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import cast

from afterwards.stores import store_for
from afterwards.tasks import Search
from tests.contract.builders import TimedStore, a_call, claim_all, end_all, sign_on
from tests.stores.builders import LONG_PATIENCE

CHILD_GOES_FIRST, PARENT_GOES_FIRST = "child", "parent"


async def fill(store: TimedStore, who: str) -> None:
    await asyncio.gather(*(store.add([a_call(name=f"{who}:{number}")]) for number in range(50)))


async def parent(store: TimedStore, who_goes_first: str) -> int:
    await store.add([a_call(name="parent:before")])
    await store.find(Search(), limit=1)
    worker = await sign_on(store)
    waiting = asyncio.ensure_future(store.wait(worker, timeout=20, suspects=True, unknown=["parent:before"]))
    filling = asyncio.ensure_future(fill(store, "parent"))
    await asyncio.sleep(0)
    go_on, child_may = os.pipe()
    child = os.fork()
    if child == 0:
        return in_child(store, go_on)
    await filling
    await waiting
    await end_all(store, await claim_all(store, worker))
    if who_goes_first == PARENT_GOES_FIRST:
        await store.close()
    os.write(child_may, b".")
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    names = sorted(task.name for task in await store.find(Search(), limit=1000))
    await store.close()
    sys.stdout.write("\n".join([f"child ended with {os.waitstatus_to_exitcode(status)}", *names]))
    return 0


def in_child(store: TimedStore, go_on: int) -> int:
    """In a loop of its own: the parent's does not run here."""
    asyncio.events._set_running_loop(None)  # noqa: SLF001  # as asyncio does itself in a child from 3.12 on
    asyncio.set_event_loop(None)
    os.read(go_on, 1)

    async def work() -> None:
        await fill(store, "child")
        assert await store.find(Search(), limit=1000)
        await store.close()

    try:
        asyncio.run(work())
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(asyncio.run(parent(cast(TimedStore, store_for(sys.argv[1], add_timeout=LONG_PATIENCE)), sys.argv[2])))
