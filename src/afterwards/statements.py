"""Reads a file of statements, each with its name, its reason and its fragments. Never builds one from values."""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEADING = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_FRAGMENT = re.compile(r"\{(\w+)\}")


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
