"""What a process and those that it has started use, read from the system: time of the processor, and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def cpu_seconds(*processes: int) -> float:
    """Of these, of what they have started, and of what has ended there already."""
    ticks = 0
    for process in _with_descendants(processes):
        with suppress(*_GONE):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICK


def megabytes(*processes: int, without: Path) -> float:
    """The memory of these and of what they have started, each shared page by its share; not the file `without`."""
    total = 0
    for process in _with_descendants(processes):
        with suppress(*_GONE):
            total += _kilobytes(Path(f"/proc/{process}/smaps").read_text(), str(without))
    return total / 1024


def _kilobytes(maps: str, without: str) -> int:
    total, counts = 0, True
    for line in maps.splitlines():
        if line.startswith("Pss:"):
            total += int(line.split()[1]) if counts else 0
        elif not line.split(" ", 1)[0].endswith(":"):  # a mapping's own line: addresses, rights, and its file
            counts = not line.endswith(without)
    return total


def _with_descendants(processes: tuple[int, ...]) -> Iterator[int]:
    for process in processes:
        yield process
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            with suppress(*_GONE):
                yield from _with_descendants(tuple(map(int, children.read_text().split())))
