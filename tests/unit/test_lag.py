"""How late a loop is: one that answers, one that is blocked, one that has ended."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

from afterwards.lag import NO_LAG, LoopLag

A_LITTLE = timedelta(seconds=0.05)


async def test_a_loop_that_answers_is_hardly_late():
    noted: list[timedelta] = []
    lag = LoopLag(asyncio.get_running_loop(), noted.append)
    await asyncio.to_thread(lag.ask)
    async with asyncio.timeout(10):
        while not noted:
            await asyncio.sleep(0)
    assert noted == [lag.longest()]
    assert lag.longest() == NO_LAG, "it was told"


def test_a_loop_is_late_while_it_is_blocked_and_asked_once():
    loop, noted, may_go_on = asyncio.new_event_loop(), list[timedelta](), threading.Event()
    lag = LoopLag(loop, noted.append)
    loop.call_soon(may_go_on.wait, 20)
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    for _ in range(3):
        lag.ask()
    first = lag.longest()
    while (later := lag.longest()) < first + A_LITTLE:
        time.sleep(0.01)
    assert noted == []
    may_go_on.set()
    thread.join(20)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert len(noted) == 1
    assert noted[0] >= later >= A_LITTLE


def test_a_loop_that_has_ended_is_not_late():
    loop, noted = asyncio.new_event_loop(), list[timedelta]()
    lag = LoopLag(loop, noted.append)
    lag.ask()
    loop.close()
    lag.ask()
    assert (lag.longest(), noted) == (NO_LAG, [])
