"""Tells who cancelled: somebody outside, or the code itself."""

from __future__ import annotations

import asyncio


def was_cancelled_from_outside() -> bool:
    """Whether the running asyncio task was cancelled, rather than that its code raised CancelledError by itself."""
    surrounding = asyncio.current_task()
    return surrounding is not None and surrounding.cancelling() > 0
