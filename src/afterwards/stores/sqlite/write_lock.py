"""A lock file around every write of all our processes.

It keeps SQLites with an error in their write-ahead log from damaging it, and it shares the file more evenly, and twice
as fast under load, than SQLite's own waiting does.
"""

from __future__ import annotations

import errno
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
_POLL = 0.0002
_LONGEST_POLL = 0.005
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


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
    of SQLite. `works` is False once it has shown that this system or file system has no such lock: then SQLite's own
    locks are all there is.
    """

    def __init__(self, path: Path) -> None:
        self.works = sys.platform != "win32"
        self._path = path
        self._file: int | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold it inside the block. Raises WriteLockHeld when another process keeps it for longer than a slice."""
        file = self._acquire() if self.works else None
        try:
            yield
        finally:
            if file is not None:
                _unlock(file)

    def forget(self) -> None:
        """Close the file; a forked child must, or its parent's death would leave the lock held."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _acquire(self) -> int | None:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._wait_for(self._file)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self.works = False
            return None
        return self._file

    def _wait_for(self, file: int) -> None:
        deadline, pause = time.monotonic() + _PATIENCE, _POLL
        while not _locked(file):
            if time.monotonic() > deadline:
                raise WriteLockHeld(f"another process holds {self._path}")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)


if sys.platform == "win32":

    def _locked(file: int) -> bool:
        return True

    def _unlock(file: int) -> None:
        pass

else:

    def _locked(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
