"""The numbered steps of a store's schema, forward only: which there are, and which a store still lacks. Runs none.

Each file says in a line `-- oldest code: N` which schema version code must know to go on working after it. So a
schema may be newer than the code, and old and new processes run side by side, as long as no step forbade it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from afterwards.errors import StoreUnusable

_OLDEST_CODE = re.compile(r"^-- oldest code: (\d+)$", re.MULTILINE)
_NUMBER = re.compile(r"(\d{4})_\w+\.sql")

Applied = Mapping[int, int]  # the versions that a store has had, each with the oldest code that may work with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step. `oldest_code` is the schema version that code must know to go on working after it."""

    version: int
    oldest_code: int
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A store's schema: the version that it has, 0 when it has none, and the newest that this code knows."""

    version: int
    newest: int

    @property
    def is_behind(self) -> bool:
        """There are steps to take."""
        return self.version < self.newest


def migrations_of(package: str) -> list[Migration]:
    """The steps in the folder `schema` of a package, in their order. Raises ValueError for a file that is no step."""
    folder = files(package).joinpath("schema")
    named = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}
    return read(named)


def read(named: Mapping[str, str]) -> list[Migration]:
    """The steps in files of these names, such as `0001_tasks.sql`. Raises ValueError, naming the file."""
    steps = [_migration(name, sql) for name, sql in sorted(named.items())]
    for number, step in enumerate(steps, start=1):
        if step.version != number:
            raise ValueError(f"the steps are numbered from 0001 without a gap, and step {number} is missing")
    return steps


def schema(known: Sequence[Migration], applied: Applied) -> Schema:
    """Where a store stands."""
    return Schema(version=max(applied, default=0), newest=known[-1].version)


def pending(known: Sequence[Migration], applied: Applied, place: str) -> list[Migration]:
    """The steps that have not been taken. Raises StoreUnusable for a schema that is too new for this code.

    `place` says in the message which store it is, without a password.
    """
    newest = known[-1].version
    needed = max((oldest for version, oldest in applied.items() if version > newest), default=0)
    if needed > newest:
        raise StoreUnusable(
            f"{place} has a schema of version {max(applied)}, which code older than version {needed} must not touch; "
            f"this one knows {newest}: upgrade afterwards here too"
        )
    return [step for step in known if step.version not in applied]


def refuse_pending(known: Sequence[Migration], applied: Applied, place: str) -> None:
    """For code that must not take the steps itself. Raises StoreUnusable when there are some, or as `pending`."""
    if not pending(known, applied, place):
        return
    newest = known[-1].version
    has = f"a schema of version {max(applied)}, and {newest} is needed" if applied else "no schema yet"
    raise StoreUnusable(
        f"{place} has {has}: run `afterwards migrate` once, or let the app do it by itself, with migrate=True"
    )


def script(
    steps: Iterable[Migration], *, begin: Sequence[str], record: Callable[[Migration], str], spell: Callable[[str], str]
) -> str:
    """The steps as one text for a person to run: in one transaction, each with the row that says it was taken.

    `begin` opens the transaction and makes the table of versions; `record` writes the row; `spell` may change the
    text of a step. Empty when there are no steps.
    """
    taken = [f"-- Version {step.version}.\n{spell(step.sql).strip()}\n\n{record(step)}" for step in steps]
    return "\n\n".join([*begin, *taken, "COMMIT;"]) + "\n" if taken else ""


def _migration(name: str, sql: str) -> Migration:
    number, oldest_code = _NUMBER.fullmatch(name), _OLDEST_CODE.search(sql)
    if number is None:
        raise ValueError(f"{name} has not the form 0001_what.sql")
    if oldest_code is None:
        raise ValueError(f"{name} does not say which code may still work with it: -- oldest code: N")
    if not 1 <= int(oldest_code[1]) <= int(number[1]):
        raise ValueError(f"{name} has version {int(number[1])}, so code {oldest_code[1]} cannot be its oldest")
    return Migration(version=int(number[1]), oldest_code=int(oldest_code[1]), sql=sql)
