"""A version of the library that is newer by one step, which no release has.

`python newer.py PATH`: brings the file up to date by it. `python newer.py PATH die`: dies in the midst of that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta

from afterwards.migrations import Migration, read
from afterwards.stores import store_for
from afterwards.stores.sqlite import migrations

# Not to be taken twice: the column would be there already.
_STEP = """\
-- oldest code: {oldest_code}
CREATE TABLE afterwards_colours (colour TEXT NOT NULL);
ALTER TABLE afterwards_tasks ADD COLUMN colour TEXT;
INSERT INTO afterwards_colours (colour) VALUES ('green');
"""
DYING = "INSERT INTO afterwards_colours"


def newer(oldest_code: int = 1) -> list[Migration]:
    """All steps, and one more."""
    known = migrations.migrations()
    number = len(known) + 1
    names = {f"{step.version:04}_known.sql": step.sql for step in known}
    return read({**names, f"{number:04}_colours.sql": _STEP.format(oldest_code=oldest_code)})


def main(path: str, *, dies: bool) -> None:
    steps = newer()
    migrations.migrations = lambda: steps  # type: ignore[assignment]  # that of another version
    if dies:
        cut = migrations.statements_of

        def dying(sql: str):
            for statement in cut(sql):
                if statement.startswith(DYING):
                    os.kill(os.getpid(), signal.SIGKILL)
                yield statement

        migrations.statements_of = dying
    asyncio.run(_open(path))


async def _open(path: str) -> None:
    store = store_for(f"sqlite:///{path}", add_timeout=timedelta(seconds=30))
    await store.open()
    await store.close()


if __name__ == "__main__":
    main(sys.argv[1], dies=sys.argv[2:] == ["die"])
