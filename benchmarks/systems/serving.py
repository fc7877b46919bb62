"""The app that is put under load: its endpoint adds one task to the system that BENCH_MODULE names.

Where adding blocks, the endpoint is a plain function, which FastAPI runs in a thread.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from systems.contract import Adder, system_in


def app() -> FastAPI:
    """The system's own app, or the common one."""
    system = system_in(os.environ["BENCH_MODULE"])
    if system.app is not None:
        return system.app()
    assert system.adding is not None, "a system without an app has what adds"
    return _common(system.adding)


def _common(adding: Callable[[], AbstractAsyncContextManager[Adder]]) -> FastAPI:
    numbers = itertools.count()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with adding() as adder:
            if adder.add is None:
                app.add_api_route("/", _blocking(adder, numbers), methods=["POST"])
            else:
                app.add_api_route("/", _asynchronous(adder, numbers), methods=["POST"])
            yield

    return FastAPI(lifespan=lifespan)


def _asynchronous(adder: Adder, numbers: itertools.count[int]) -> Callable[..., object]:
    add = adder.add
    assert add is not None

    async def endpoint() -> dict[str, bool]:
        await add(next(numbers), "")
        return {"ok": True}

    return endpoint


def _blocking(adder: Adder, numbers: itertools.count[int]) -> Callable[..., object]:
    add = adder.add_now
    assert add is not None

    def endpoint() -> dict[str, bool]:
        add(next(numbers), "")
        return {"ok": True}

    return endpoint
