"""Reads the statements of `queries.sql`, each with its fragments put in. Never builds one from values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_HEADING = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_FRAGMENT = re.compile(r"\{(\w+)\}")
_VALUES = re.compile(r"VALUES (\([?, ]+\))")

MOST_ROWS = 64  # more go in several statements: each number of rows is a statement that SQLite has to prepare once


def parse(text: str) -> dict[str, str]:
    """The statements of a file of queries, by name. Raises KeyError for a fragment that the file does not have."""
    _, *pieces = _HEADING.split(text)
    sections = list(zip(pieces[::3], pieces[1::3], map(_without_reason, pieces[2::3]), strict=True))
    fragments = {name: sql for kind, name, sql in sections if kind == "fragment"}
    return {name: _whole(sql, fragments) for kind, name, sql in sections if kind == "name"}


def _without_reason(section: str) -> str:
    return "\n".join(line for line in section.strip().splitlines() if not line.startswith("--"))


def _whole(sql: str, fragments: Mapping[str, str]) -> str:
    while _FRAGMENT.search(sql):  # a fragment may name another
        sql = _FRAGMENT.sub(lambda mention: fragments[mention[1]], sql)
    return sql


@cache
def spread_out(name: str, rows: int) -> str:
    """The statement `name` with its one row of values written `rows` times."""
    return _VALUES.sub(lambda match: f"VALUES {', '.join([match[1]] * rows)}", STATEMENTS[name])


@cache
def side_by_side(*names: str) -> str:
    """One statement that brings what each of these would bring, in a row."""
    return f"SELECT {', '.join(f'({STATEMENTS[name]})' for name in names)}"


STATEMENTS: Mapping[str, str] = parse(
    files("afterwards.stores.sqlite").joinpath("queries.sql").read_text(encoding="utf-8")
)
