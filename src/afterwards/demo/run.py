"""Runs the demo in a folder that goes with it, or in one that stays."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from afterwards.demo.place import Place

_NEEDED = {
    "aiosmtpd": "aiosmtpd",
    "fastapi": "fastapi",
    "jinja2": "jinja2",
    "python_multipart": "python-multipart",
    "sqlalchemy": "sqlalchemy",
    "uvicorn": "uvicorn",
}


class CannotRun(Exception):
    """The demo cannot start; the message says why and what to do."""


def run(directory: Path | None, port: int | None, *, only_once: bool) -> int:
    """Run the demo; the exit code. Raises CannotRun."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise CannotRun(f"the demo needs {', '.join(missing)}: pip install 'afterwards[demo]'")
    from afterwards.demo.app_process import free_port, is_free
    from afterwards.demo.once import once
    from afterwards.demo.show import show

    if port is not None and not is_free(port):
        raise CannotRun(f"port {port} of 127.0.0.1 is taken: choose another with --port, or leave it out")
    with _place(directory) as place, contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_until_terminated((once if only_once else show)(place, port or free_port())))
    return 1 if only_once else 0


@contextmanager
def _place(directory: Path | None) -> Generator[Place]:
    if directory is not None:
        yield Place(directory=_made(directory))
        return
    with tempfile.TemporaryDirectory(prefix="afterwards-demo-", ignore_cleanup_errors=True) as temporary:
        yield Place(directory=Path(temporary))


def _made(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{directory} cannot be the demo's folder: {error.strerror}") from error
    return directory.absolute()


async def _until_terminated(running: Coroutine[Any, Any, int]) -> int:
    """SIGTERM ends it as Ctrl-C does, so that the app's process ends as well."""
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
