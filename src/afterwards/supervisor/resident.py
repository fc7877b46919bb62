"""How much memory this process takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")
_KIB = 1024


def resident() -> int | None:
    """Bytes in memory now, from `/proc` (Linux); without it the most there ever were (macOS, BSD); Windows: None."""
    if sys.platform == "win32":
        return None
    try:
        pages = int(_STATM.read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        import resource  # does not exist on Windows

        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * _KIB
    return pages * os.sysconf("SC_PAGE_SIZE")
