"""One of several processes that add under the same keys at once. Run by test_keys.py: prints what each add was told.

It waits for a line, so that all begin together.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from afterwards.stores import store_for
from afterwards.tasks import Call
from tests.contract.builders import a_call

KEYS, TIMES = 20, 5


def calls() -> list[Call]:
    return [a_call(key=f"key {number}") for number in range(KEYS)]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    store = store_for(url, add_timeout=timedelta(seconds=30))
    await store.open()
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    for _ in range(TIMES):
        added = await asyncio.gather(*(store.add([call]) for call in calls()))
        for number, [one] in enumerate(added):
            say(f"{number} {one.id}")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
