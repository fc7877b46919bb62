"""The statements of `queries.sql`, and how one is written for many rows at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from afterwards.statements import parse

_VALUES = re.compile(r"VALUES (\([?, ]+\))")

MOST_ROWS = 64  # more go in several statements: each number of rows is a statement that SQLite has to prepare once


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
