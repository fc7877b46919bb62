"""Examines a store's file and what it stands on. Reads only: it creates no file and changes no schema."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from afterwards.checkup import Checkup, Finding, note, well, wrong
from afterwards.errors import StoreUnusable
from afterwards.migrations import Schema
from afterwards.stores.sqlite.database import connect
from afterwards.stores.sqlite.filesystem import Footing, footing, magic_of, name_of
from afterwards.stores.sqlite.migrations import read_schema
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.statements import STATEMENTS
from afterwards.stores.sqlite.trouble import told
from afterwards.stores.sqlite.write_lock import Version, wal_guard_needed

_MEBIBYTE = 1024 * 1024
_TOO_LITTLE = 100 * _MEBIBYTE
_LITTLE = 1024 * _MEBIBYTE
_QUICKLY_READ = 64 * _MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the file holds."""

    exists: bool
    findings: list[Finding] = field(default_factory=list[Finding])
    unreadable: str = ""
    behind: bool = False


def examine(path: str) -> Checkup:
    """The checkup of the store in the file at `path`, whether it exists yet or not."""
    place = Place(path)
    if place.private:
        alone = note("file", "private to each process and gone with it: give the URL a path, and tasks survive")
        return Checkup(place=place.description, exists=False, findings=(alone,))
    findings = [about_sqlite(sqlite3.sqlite_version_info)]
    if not place.path.parent.is_dir():
        lost = wrong("file", f"there is no folder {place.path.parent}: make it, or correct the URL")
        inside = Inside(exists=False, findings=[lost], unreadable=lost.says)
    else:
        findings += _about_surroundings(place.path)
        inside = _look_inside(place.path)
    return Checkup(
        place=place.description,
        exists=inside.exists,
        findings=(*findings, *inside.findings),
        unreadable=inside.unreadable,
        behind=inside.behind,
    )


def about_sqlite(version: Version) -> Finding:
    """Whether this SQLite can be trusted with a log that several processes write."""
    name = "SQLite {}.{}.{}".format(*version[:3])
    if not wal_guard_needed(version[:3]):
        return well("sqlite", name)
    says = f"{name} can damage a write-ahead log when two connections write and checkpoint at once"
    if sys.platform == "win32":
        return note("sqlite", f"{says}, and Windows has no lock to guard it: let one process write, or update Python")
    return note("sqlite", f"{says}; a lock file guards every write of ours: let no other program write to the file")


def about_file_system(magic: int | None) -> Finding:
    """Whether locks hold there."""
    name = name_of(magic)
    match footing(magic):
        case Footing.FIRM:
            return well("file system", "local" if magic is not None else "not told by this system")
        case Footing.SHAKY:
            return note("file system", f"{name}: a slower rollback journal is used; put the file on a local disk")
        case Footing.NONE:
            return wrong("file system", f"{name} is a network: locks do not hold there; put the file on a local disk")


def about_room(free: int) -> Finding:
    """Whether the disk will take more."""
    if free < _TOO_LITTLE:
        return wrong("disk", f"only {size(free)} are free: make room, or soon no task can be stored")
    if free < _LITTLE:
        return note("disk", f"{size(free)} are free")
    return well("disk", f"{size(free)} are free")


def size(count: int) -> str:
    """Bytes in words."""
    if count < _MEBIBYTE:
        return f"{count / 1024:.0f} KiB"
    return f"{count / _MEBIBYTE:.0f} MiB" if count < 10 * 1024 * _MEBIBYTE else f"{count / 1024 / _MEBIBYTE:.0f} GiB"


def _about_surroundings(file: Path) -> list[Finding]:
    folder = file.parent
    return [about_file_system(magic_of(folder)), about_room(shutil.disk_usage(folder).free), _about_file(file)]


def _about_file(file: Path) -> Finding:
    """SQLite writes beside the file as well, so the folder counts."""
    if not os.access(file.parent, os.W_OK | os.X_OK):
        return wrong("file", f"the folder {file.parent} may not be written by this user: grant that")
    if not file.exists():
        return note(
            "file", f"{file} does not exist yet, the app makes it when it starts; is this its working directory?"
        )
    if not os.access(file, os.R_OK | os.W_OK):
        return wrong("file", f"{file} may not be read and written by this user: grant that")
    return well("file", f"{file}, {size(file.stat().st_size)}, may be written")


def _look_inside(file: Path) -> Inside:
    if not file.exists():
        return Inside(exists=False)
    try:
        with closing(connect(file, "ro")) as connection:
            return _read(connection, file)
    except StoreUnusable as error:
        return Inside(exists=False, findings=[wrong("schema", str(error))], unreadable=str(error))
    except sqlite3.Error as error:
        says = str(told(error, "reading the store", file))
        return Inside(exists=False, findings=[wrong("file", says)], unreadable=says)


def _read(connection: sqlite3.Connection, file: Path) -> Inside:
    if not connection.execute(STATEMENTS["our_tables"]).fetchone()[0]:
        empty = note("schema", "the file holds no tasks yet; the app makes the tables when it starts")
        return Inside(exists=False, findings=[empty])
    schema = read_schema(connection, file)
    findings = [_about_journal(connection), _about_schema(schema), *_about_health(connection, file)]
    return Inside(exists=True, findings=findings, behind=schema.is_behind)


def _about_journal(connection: sqlite3.Connection) -> Finding:
    mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    if connection.execute(STATEMENTS["store_shared"]).fetchone()[0]:
        return note(
            "journal", f"{mode}; the file has other tables too, so its journal stays as it is, every write FULL"
        )
    return well("journal", mode)


def _about_schema(schema: Schema) -> Finding:
    if schema.is_behind:
        who = "`afterwards migrate` brings it up to date, or an app that may, when it starts"
        return note("schema", f"version {schema.version}, and {schema.newest} is the newest; {who}")
    return well("schema", f"version {schema.version}")


def _about_health(connection: sqlite3.Connection, file: Path) -> list[Finding]:
    if file.stat().st_size > _QUICKLY_READ:
        return []
    answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    return [] if answer == "ok" else [wrong("file", f"{file} is damaged ({answer}): restore it from a backup")]
