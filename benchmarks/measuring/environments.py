"""The peers' environments: each peer in one of its own, in the versions of systems/pins.txt, and nothing of it in ours.

Its web server is the same in all: that is pinned above the first heading.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from measuring.field import BENCHMARKS

sys.path.insert(0, str(BENCHMARKS.parent))

import dev

PINS = BENCHMARKS / "systems" / "pins.txt"
FOLDER = BENCHMARKS.parent / ".cache" / "benchmarks"
NEWER_PYTHON = {"oban": "3.12"}  # than ours


class CannotInstall(Exception):
    """The environment of a peer cannot be made here."""


def python_of(environment: str | None) -> Path:
    """The interpreter of an environment that is ready; None: ours."""
    if environment is None:
        return Path(sys.executable)
    return FOLDER / environment / "bin" / "python"


@cache
def pins(environment: str) -> tuple[str, ...]:
    """What is installed there, `name==version` each."""
    sections: dict[str, list[str]] = {"": []}
    for line in PINS.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            heading = line.strip("[]")
            sections[heading] = []
        elif line and not line.startswith("#"):
            sections[list(sections)[-1]].append(line)
    if environment not in sections:
        raise CannotInstall(f"{PINS.name} has no heading [{environment}]")
    return (*sections[""], *sections[environment])


def make(environment: str) -> None:
    """Leaves it ready. Raises CannotInstall with the reason."""
    wanted = "\n".join((*pins(environment), sys.version))
    stamp = FOLDER / environment / ".ready"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"making the environment of {environment} …", file=sys.stderr, flush=True)
    uv, folder = dev.find_uv(), FOLDER / environment
    folder.parent.mkdir(parents=True, exist_ok=True)
    newer = NEWER_PYTHON.get(environment)
    _run(uv, "venv", "--quiet", "--clear", "--python", newer or sys.executable, str(folder), PYENV_VERSION=newer or "")
    _run(uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python_of(environment)), *pins(environment))
    stamp.write_text(wanted, encoding="utf-8")


def _run(*command: str, **more: str) -> None:
    variables = {"UV_SYSTEM_CERTS": "true", **os.environ, "UV_PYTHON_DOWNLOADS": "never", **more}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotInstall(" ".join(done.stderr.split()))
