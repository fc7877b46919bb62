"""How much memory a process takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROC = Path("/proc")
_KIB = 1024


def resident() -> int | None:
    """Bytes in memory now, from `/proc` (Linux); without it the most there ever were (macOS, BSD); Windows: None."""
    if sys.platform == "win32":
        return None
    now = resident_of(os.getpid())
    if now is None:
        import resource  # does not exist on Windows

        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * _KIB
    return now


def can_see_others() -> bool:
    """Whether the system tells it of other processes too."""
    return resident_of(os.getpid()) is not None


def resident_of(pid: int) -> int | None:
    """Bytes that this process has in memory now; None where there is no `/proc`, or no such process."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
