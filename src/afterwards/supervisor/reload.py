"""Tells which Python files below a folder have changed: for development."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path


def can_watch() -> bool:
    """Whether watchfiles is installed, the extra `[reload]`."""
    return find_spec("watchfiles") is not None


async def changes(folder: Path) -> AsyncGenerator[list[str]]:
    """The paths that have changed, relative to the folder, each time some have; those of a moment together.

    Left out are the folders that hold no code of the user's: `.venv`, `.git`, `__pycache__`, `node_modules` and such.
    """
    from watchfiles import PythonFilter, awatch  # pyright: ignore[reportUnknownVariableType]  # its hint names trio

    async for changed in awatch(folder, watch_filter=PythonFilter()):
        yield sorted({_relative(path, folder) for _, path in changed})


def _relative(path: str, folder: Path) -> str:
    return os.path.relpath(path, folder)
