"""A lock file around every write of all our processes, where SQLite itself may damage its log without one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from afterwards.stores.sqlite.trouble import WriteLockHeld

if sys.platform != "win32":
    import fcntl

Version = tuple[int, int, int]

_FIXED = (3, 51, 3)
_FIRST_WITH_WAL = (3, 7, 0)
_FIXED_BRANCHES = ((3, 50, 7), (3, 44, 6))
_PATIENCE = 0.1
_POLL = 0.0005
_LONGEST_POLL = 0.01


def wal_guard_needed(version: Version) -> bool:
    """This SQLite can damage a write-ahead log when two connections checkpoint and write at once.

    Source: https://sqlite.org/wal.html#walresetbug: 3.7.0 to 3.51.2, but for the patched 3.50.7 and 3.44.6.
    """
    if not _FIRST_WITH_WAL <= version < _FIXED:
        return False
    return not any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED_BRANCHES)


class WriteLock:
    """Held by one process at a time; waits in short slices, so that its holder's death or sleep blocks nobody for ever.

    An flock on a file beside the database, never on the database itself, where closing the file would drop the locks
    of SQLite. Without `needed`, or where there is no flock, it locks nothing.
    """

    def __init__(self, path: Path, *, needed: bool) -> None:
        self._path = path
        self._needed = needed and sys.platform != "win32"
        self._file: int | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold it inside the block. Raises WriteLockHeld when another process keeps it for longer than a slice."""
        if not self._needed:
            yield
            return
        file = self._acquire()
        try:
            yield
        finally:
            self._release(file)

    def forget(self) -> None:
        """Close the file; a forked child must, or its parent's death would leave the lock held."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _acquire(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        deadline, pause = time.monotonic() + _PATIENCE, _POLL
        while not _locked(self._file):
            if time.monotonic() > deadline:
                raise WriteLockHeld(f"another process holds {self._path}")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)
        return self._file

    def _release(self, file: int) -> None:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_UN)


def _locked(file: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
