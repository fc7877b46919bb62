"""Runs a coroutine to its end in a thread with an event loop of its own, for code that cannot await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

R = TypeVar("R")


def run_elsewhere(work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """What `work` returns. The calling thread waits, whatever it is doing, and its own event loop with it."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="afterwards-add") as pool:
        return pool.submit(lambda: asyncio.run(work())).result()
