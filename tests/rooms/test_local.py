"""Functions without a name: each runs, whatever the one before raised."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from afterwards import Afterwards
from afterwards.events import LocalTaskFailed
from afterwards.options import CallOptions


async def test_a_local_function_that_raises_anything_does_not_stop_the_next(tmp_path: Path) -> None:
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'local.db'}", when_unnameable="local")
    failed: list[str] = []
    afterwards.hear(
        lambda event: failed.append(type(event.error).__name__) if isinstance(event, LocalTaskFailed) else None
    )
    ran: list[str] = []

    async def cancels() -> None:
        raise asyncio.CancelledError

    async def note(what: str) -> None:
        ran.append(what)

    batch = afterwards.house.batch()
    for function in (cancels, lambda: sys.exit(4), lambda: 1 / 0, lambda: note("awaited"), lambda: ran.append("last")):
        batch.add(function, (), {}, CallOptions())
    await batch.commit()
    await batch.release()
    assert (failed, ran) == (["CancelledError", "SystemExit", "ZeroDivisionError"], ["awaited", "last"])
