"""Tells which Python files below a folder have changed: for development."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path


class CannotWatch(Exception):
    """The system does not tell what changes below the folder; the text says why, and what to do."""


def can_watch() -> bool:
    """Whether watchfiles is installed, the extra `[reload]`."""
    return find_spec("watchfiles") is not None


async def changes(folder: Path) -> AsyncGenerator[list[str]]:
    """The paths that have changed, relative to the folder, each time some have; those of a moment together.

    Left out are the folders that hold no code of the user's: `.venv`, `.git`, `__pycache__`, `node_modules` and such.
    Raises CannotWatch.
    """
    from watchfiles import PythonFilter, awatch  # pyright: ignore[reportUnknownVariableType]  # its hint names trio

    try:
        async for changed in awatch(folder, watch_filter=PythonFilter()):
            yield sorted({_relative(path, folder) for _, path in changed})
    except (OSError, RuntimeError) as error:  # the latter is how watchfiles says what it has no word for
        raise CannotWatch(
            f"{folder} cannot be watched for changes: {error}. If it is a limit of the system, raise "
            "fs.inotify.max_user_watches or fs.inotify.max_user_instances, or set WATCHFILES_FORCE_POLLING=1; "
            "WATCHFILES_IGNORE_PERMISSION_DENIED=1 passes over what may not be read"
        ) from error


def _relative(path: str, folder: Path) -> str:
    return os.path.relpath(path, folder)
