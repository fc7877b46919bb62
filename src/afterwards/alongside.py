"""Lets a worker work as long as a block of code runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from afterwards.worker import Worker


@asynccontextmanager
async def working_alongside(worker: Worker) -> AsyncGenerator[None]:
    """The worker works inside the block, and has stopped when that is left. The block's error comes out as it was."""
    error: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await asyncio.sleep(0)  # its first step: it must be here before the first request is
        try:
            yield
        except BaseException as raised:  # to be raised below, since the group would put it into an ExceptionGroup
            error = raised
        finally:
            worker.stop()
            await asyncio.wait([running])
    if error is not None:
        raise error
