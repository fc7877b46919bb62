"""An older server of the Redis family: this machine's `redis-server`, or Debian's Redis 7.0, unpacked without root."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.machine import cannot

PACKAGES = ("redis-tools", "libjemalloc2", "liblzf1")
CACHE = Path(__file__).parents[1] / ".cache" / "redis"
PROGRAM = Path("usr", "bin", "redis-check-rdb")  # `redis-server` is a link to it: the program goes by the name it gets
DOWNLOADS_WITHIN = 60.0


class Missing(Exception):
    """There is none on this machine, and none could be had."""


def program() -> Path:
    """Where it is. Where there is none the test is skipped, but not in CI."""
    try:
        return found()
    except Missing as why:
        cannot(str(why))


def found() -> Path:
    """Where it is. Raises Missing."""
    installed = shutil.which("redis-server")
    if installed is not None:
        return Path(installed)
    if not (CACHE / "redis-server").exists():
        _unpack()
    return CACHE / "redis-server"


def _unpack() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Missing(
            "there is no redis-server on PATH, and this is no Debian where one could be downloaded without root"
        )
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE.parent))
    try:
        _run(["apt-get", "download", *PACKAGES], folder)
        for package in folder.glob("*.deb"):
            _run(["dpkg-deb", "--extract", package.name, "."], folder)
        _write_starter(folder)
        folder.rename(CACHE)
    except OSError:  # another process was faster
        shutil.rmtree(folder, ignore_errors=True)


def _write_starter(folder: Path) -> None:
    """A script that starts the server with the libraries that lie beside it, wherever the folder has come to lie."""
    starter = folder / "redis-server"
    starter.write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$0")\n'
        'LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu) export LD_LIBRARY_PATH\n'
        'exec "$here/server/redis-server" "$@"\n'
    )
    starter.chmod(0o755)
    (folder / "server").mkdir()
    (folder / "server" / "redis-server").symlink_to(Path("..") / PROGRAM)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOADS_WITHIN, check=False)
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)} failed: {done.stderr}")
