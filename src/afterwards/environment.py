"""What the environment variables say: `AFTERWARDS_URL`, `AFTERWARDS_WORKER` and their like. Read nowhere else."""

from __future__ import annotations

import os

DEFAULT_URL = "sqlite:///afterwards.db"
_OFF = ("0", "false", "no", "off")
_MODES = ("", "inline")


def store_url() -> str:
    """Where tasks are stored when the code does not say."""
    return os.environ.get("AFTERWARDS_URL") or DEFAULT_URL


def worker_allowed() -> bool:
    """Whether a worker may run inside the app's process."""
    return _is_on("AFTERWARDS_WORKER")


def migration_allowed() -> bool:
    """Whether opening a store may bring its schema up to date."""
    return _is_on("AFTERWARDS_MIGRATE")


def runs_inline() -> bool:
    """Whether tasks run in the request itself and nothing is stored, as in tests. Raises ValueError for a typo."""
    mode = os.environ.get("AFTERWARDS_MODE", "").strip().lower()
    if mode not in _MODES:
        raise ValueError(f"AFTERWARDS_MODE is unset or 'inline', not {mode!r}")
    return mode == "inline"


def _is_on(variable: str) -> bool:
    """Unless it says no."""
    return os.environ.get(variable, "1").strip().lower() not in _OFF
