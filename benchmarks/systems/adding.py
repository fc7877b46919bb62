"""Adds tasks to a system, in a process of its own, and prints what it measured as JSON.

python -m systems.adding MODULE prepare
python -m systems.adding MODULE one|at-once|bulk TEXT_LENGTH SECONDS
python -m systems.adding MODULE fill TEXT_LENGTH COUNT FIRST
python -m systems.adding MODULE spaced COUNT PAUSE FIRST
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from systems.contract import Adder, System, system_in

CALLERS, BULK = 256, 500
THREADS = 40  # as many as FastAPI has for functions that block
LOOKS = 16  # adds between two looks at the clock
LONG = 10_000  # characters, of which no system is given five hundred at once
LEFT_OUT = "it has no API for that"


def main() -> None:
    """Do what the command line asks for."""
    _, module, what, *arguments = sys.argv
    print(json.dumps(_run(_do(system_in(module), what, arguments))), flush=True)


def _run(work: Awaitable[object]) -> object:
    async def done() -> object:
        return await work

    try:
        import uvloop
    except ImportError:
        return asyncio.run(done())
    return uvloop.run(done())


async def _do(system: System, what: str, arguments: list[str]) -> object:
    if what == "prepare":
        if system.prepare is not None:
            await system.prepare()
        return None
    if system.adding is None:
        return {"left_out": LEFT_OUT}
    async with system.adding() as adder:
        if what == "fill":
            first = int(arguments[2])
            await _fill(adder, "x" * int(arguments[0]), range(first, first + int(arguments[1])))
            return None
        if what == "spaced":
            return await _spaced(adder, int(arguments[0]), float(arguments[1]), int(arguments[2]))
        return await _paced(adder, what, "x" * int(arguments[0]), float(arguments[1]))


# As many as there are


async def _fill(adder: Adder, text: str, numbers: range) -> None:
    if not _has_bulk(adder):
        await _each_at_once(adder, text, iter(numbers))
        return
    size = BULK if len(text) < LONG else BULK // 10
    for start in range(0, len(numbers), size):
        await _add_many(adder, numbers[start : start + size], text)


# As long as it lasts


async def _paced(adder: Adder, what: str, text: str, seconds: float) -> dict[str, object]:
    if what == "bulk" and not _has_bulk(adder):
        return {"left_out": LEFT_OUT}
    await _add(adder, 0, text)  # the first connects
    began = time.perf_counter()
    added = await _PACED[what](adder, text, began + seconds)
    return {"added": added, "seconds": time.perf_counter() - began}


async def _one_by_one(adder: Adder, text: str, until: float) -> int:
    numbers = count()
    while time.perf_counter() < until:
        await _add(adder, next(numbers), text)
    return next(numbers)


async def _at_once(adder: Adder, text: str, until: float) -> int:
    numbers = count()
    await _each_at_once(adder, text, numbers, until)
    return next(numbers)


async def _bulk(adder: Adder, text: str, until: float) -> int:
    added = 0
    while time.perf_counter() < until:
        await _add_many(adder, range(added, added + BULK), text)
        added += BULK
    return added


_PACED = {"one": _one_by_one, "at-once": _at_once, "bulk": _bulk}


# One after another, with a pause


async def _spaced(adder: Adder, how_many: int, pause: float, first: int) -> list[int]:
    """When each add began, in nanoseconds; one task every `pause` seconds."""
    began: list[int] = []
    due = time.perf_counter()
    for number in range(first, first + how_many):
        due += pause
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        began.append(time.monotonic_ns())
        await _add(adder, number, "")
    return began


# By whichever way the system has


async def _each_at_once(adder: Adder, text: str, numbers: Iterator[int], until: float = math.inf) -> None:
    """Many callers, each adding one task after another."""
    if adder.add is not None:
        async with asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(_caller(adder.add, text, numbers, until))
        return
    assert adder.add_now is not None, "an adder adds one way or the other"
    with ThreadPoolExecutor(THREADS) as threads:
        calls = [threads.submit(_blocking_caller, adder.add_now, text, numbers, until) for _ in range(THREADS)]
    for call in calls:
        call.result()


async def _caller(
    add: Callable[[int, str], Awaitable[object]], text: str, numbers: Iterator[int], until: float
) -> None:
    while time.perf_counter() < until and (number := next(numbers, None)) is not None:
        await add(number, text)


def _blocking_caller(add: Callable[[int, str], object], text: str, numbers: Iterator[int], until: float) -> None:
    while time.perf_counter() < until and (number := next(numbers, None)) is not None:
        add(number, text)


async def _add(adder: Adder, number: int, text: str) -> None:
    if adder.add is not None:
        await adder.add(number, text)
    else:
        assert adder.add_now is not None, "an adder adds one way or the other"
        adder.add_now(number, text)


def _has_bulk(adder: Adder) -> bool:
    return adder.add_many is not None or adder.add_many_now is not None


async def _add_many(adder: Adder, numbers: Sequence[int], text: str) -> None:
    if adder.add_many is not None:
        await adder.add_many(numbers, text)
    else:
        assert adder.add_many_now is not None, "an adder that has bulk adds it one way or the other"
        adder.add_many_now(numbers, text)


if __name__ == "__main__":
    main()
