"""The script that was started: `__main__` to itself, a module of its own name to others, if they can import it."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from types import ModuleType

STARTED = ("__main__", "__mp_main__")  # the second in children that multiprocessing spawned


def started_module(name: str) -> ModuleType | None:
    """The running script, if `name` is what others import it as; so that no second copy of it is made."""
    for started in STARTED:
        if started in sys.modules and importable_name(started) == name:
            return sys.modules[started]
    return None


@functools.cache
def importable_name(started: str) -> str | None:
    """The name under which other processes can import the running script; None if there is none.

    `python -m package.module` says it; `python script.py` has one when its own file is what its stem finds. A session,
    standard input, `-c`, a directory or a zip file that was started have none.
    """
    module = sys.modules.get(started)
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return None if spec.name in STARTED else str(spec.name)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    stem = os.path.splitext(os.path.basename(file))[0]
    return stem if _finds(stem, file) else None


def _finds(stem: str, file: str) -> bool:
    if not stem.isidentifier() or stem in STARTED:
        return False
    try:
        spec = importlib.util.find_spec(stem)
        return spec is not None and spec.origin is not None and os.path.samefile(spec.origin, file)
    except (ImportError, ValueError, OSError):  # put into sys.modules by hand; built in; the file is gone
        return False
