"""Where the file of a store lies, by its URL. A private one lies in a temporary folder and goes with it.

It looks, and makes nothing but that folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path

from afterwards.errors import UnsupportedURL

_MEMORY = ("", ":memory:")


class Place:
    """The file's absolute path; the working directory may change later.

    Raises UnsupportedURL for a path that names no file.
    """

    def __init__(self, path: str) -> None:
        self.private = path in _MEMORY
        self._removal: weakref.finalize[[Path, int], Place] | None = None
        self._path = None if self.private else _file_at(path)

    @property
    def path(self) -> Path:
        """The file; a private one gets its folder when it is first asked for."""
        if self._path is None:
            self._path = self._make_folder() / "tasks.db"
        return self._path

    @property
    def description(self) -> str:
        """In words for a person."""
        return "SQLite, private and temporary" if self.private else f"SQLite file {self.path}"

    def leave(self) -> None:
        """Remove what is private."""
        if self._removal is not None:
            self._removal()
            self._path = self._removal = None

    def _make_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="afterwards-"))
        self._removal = weakref.finalize(self, _remove, folder, os.getpid())
        return folder


def _file_at(path: str) -> Path:
    if "\0" in path:
        raise UnsupportedURL("the path in a sqlite:// URL holds a NUL character, which no file name can")
    try:
        file = Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise UnsupportedURL(
            f"the path in a sqlite:// URL begins with a home folder that is not known: {error}"
        ) from error
    if path.endswith("/") or os.path.isdir(file):  # which is False, and no error, where this user may not look
        raise UnsupportedURL(
            f"{file} is a folder, and sqlite:// names a file: such as sqlite:///{file / 'afterwards.db'}"
        )
    return file


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child leaves it to its parent
        shutil.rmtree(folder, ignore_errors=True)
