"""Which file systems can carry a SQLite file that several processes share. The decision is pure."""

from __future__ import annotations

import ctypes
import os
import sys
from enum import StrEnum
from pathlib import Path


class Footing(StrEnum):
    """How well a database stands there."""

    FIRM = "firm"
    SHAKY = "shaky"  # no shared memory between processes for certain: a rollback journal instead of a log
    NONE = "none"  # locks do not hold: refused


# statfs(2) and linux/magic.h
_NETWORK = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFE534D42: "SMB2",
    0xFF534D42: "CIFS",
    0x564C: "NCP",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x73757245: "Coda",
}
_BETWEEN = {0x65735546: "FUSE", 0x01021997: "9p"}
_WORD = (1 << 32) - 1
_STATFS_BYTES = 512  # the structure is 120 bytes on 64-bit Linux; its first field is the magic


def footing(magic: int | None) -> Footing:
    """What may be done on a file system with this magic number; unknown ones are trusted."""
    if magic in _NETWORK:
        return Footing.NONE
    return Footing.SHAKY if magic in _BETWEEN else Footing.FIRM


def name_of(magic: int | None) -> str:
    """What people call it."""
    if magic is None:
        return "unknown"
    return _NETWORK.get(magic) or _BETWEEN.get(magic) or hex(magic)


def magic_of(folder: Path) -> int | None:
    """The magic number of the file system that `folder` lies on; None where that cannot be found out."""
    if not sys.platform.startswith("linux"):
        return None
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    try:
        failed = ctypes.CDLL(None).statfs(os.fsencode(folder), buffer)
    except (OSError, AttributeError):
        return None
    return None if failed else ctypes.c_long.from_buffer(buffer).value & _WORD
