"""What a system tells those that measure it: how a task is added, and what its worker is started with."""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from fastapi import FastAPI

URL = os.environ.get("BENCH_URL", "")
CONCURRENCY = 100


@dataclass(frozen=True, kw_only=True)
class Adder:
    """An open connection through which tasks are added, as the system's users would.

    `add` takes the number of a task and its text; `add_many`, where the system has such a thing, a list of numbers and
    the text of all. `add_now` stands in place of `add` where the system has no asynchronous one, `add_many_now` so too.
    """

    add: Callable[[int, str], Awaitable[object]] | None = None
    add_now: Callable[[int, str], object] | None = None
    add_many: Callable[[Sequence[int], str], Awaitable[object]] | None = None
    add_many_now: Callable[[Sequence[int], str], object] | None = None


@dataclass(frozen=True, kw_only=True)
class System:
    """`worker`: what the interpreter is called with, for one worker process. `prepare`: what its users do once.

    `app`: where the endpoint that adds a task is not the one that all others share. A system that lives in the app
    alone has an `app` and neither `adding` nor `worker`.
    """

    adding: Callable[[], AbstractAsyncContextManager[Adder]] | None = None
    worker: Sequence[str] = ()
    prepare: Callable[[], Awaitable[object]] | None = None
    app: Callable[[], FastAPI] | None = None


def system_in(module: str) -> System:
    """The `SYSTEM` of a module."""
    return cast("System", importlib.import_module(module).SYSTEM)
